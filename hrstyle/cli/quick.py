"""A photo in a style that was used before, without PyTorch.

To import PyTorch takes longer than to paint most photos. So the network of a style is kept in the
user's cache as the ONNX model that OpenVINO takes, and the next time it is all that is needed.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs
from PIL import Image

from hrstyle import __version__
from hrstyle.engine.compiled import compile_model
from hrstyle.errors import InputError
from hrstyle.files import write_atomically
from hrstyle.images.metadata import kept_info
from hrstyle.images.reading import PILImage, Source, alpha_of, image_of, resize_planes, to_array
from hrstyle.options import StylizeOptions
from hrstyle.painting.enlarge import brush
from hrstyle.painting.strokes import PAINTED, size_to_paint
from hrstyle.styles.catalogue import weights_file

if TYPE_CHECKING:
    from hrstyle.inference import Stylizer

DEFAULTS = StylizeOptions()
CACHE_SIZE = 50
"""Networks in the cache, of some 2 MB each; the one that was made first goes first."""
_NETWORK_SOURCES = (
    "checkpoint.py",
    "generator/base.py",
    "generator/paper_network.py",
    "generator/pyramid_network.py",
    "engine/layers.py",
    "engine/onnx.py",
)


class QuickStylizer:
    """As much of `hrstyle.inference.Stylizer` as photos need that are painted as usual.

    On CPUs, in float32, and with the usual options alone.

    Args:
        model: file that `cache_network` wrote.

    Raises:
        InputError: OpenVINO is not installed.
        RuntimeError: the file is damaged.
    """

    dtype = "float32"

    def __init__(self, model: Path):
        self._run = compile_model(model)

    def stylize(self, image: Source) -> PILImage:
        """Repaint a picture; see `Stylizer.stylize`."""
        picture = image_of(image)
        pixels = to_array(picture)
        size = pixels.shape[0], pixels.shape[1]
        values = resize_planes(pixels, size_to_paint(size, DEFAULTS.strokes(size)))
        painted = self._run(values[None])[0]
        if DEFAULTS.brushes(size):
            brush(painted, pixels.transpose(2, 0, 1))
        else:
            pixels = (painted.transpose(1, 2, 0) * 255).round().astype(np.uint8)
        result = Image.fromarray(pixels)
        if (alpha := alpha_of(picture)) is not None:
            result.putalpha(alpha)
        result.info.update(kept_info(picture))
        return result

    def stylize_many(
        self,
        images: Iterable[Source],
        *,
        return_exceptions: bool = False,
        progress: bool = False,
        options: StylizeOptions = DEFAULTS,
    ) -> Iterator[Any]:
        """Repaint several pictures in their turn; see `Stylizer.stylize_many`."""
        assert options == DEFAULTS  # for others there is no code here
        for image in images:
            try:
                yield self.stylize(image)
            except InputError as error:
                if not return_exceptions:
                    raise
                yield error


def network_file(source: str | os.PathLike[str] | Mapping[str, float]) -> Path | None:
    """Where the network of a style is kept, or will be: by what its file holds, and by our code.

    None for a mixture, and where the style's file cannot be read; what is wrong with it,
    `hrstyle.load` will say.
    """
    if isinstance(source, Mapping):
        return None
    ours = Path(__file__).parents[1]
    try:
        files = [weights_file(source), *(ours / name for name in _NETWORK_SOURCES)]
        digest = hashlib.sha256(__version__.encode())
        for path in files:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    except (InputError, OSError):
        return None
    folder = Path(platformdirs.user_cache_dir("hrstyle")) / "networks"
    return folder / f"{digest.hexdigest()[:32]}.onnx"


def quick_stylizer(network: Path) -> QuickStylizer | None:
    """The style, if its network has been kept in this file and OpenVINO can run it."""
    if not (_exists(network) and find_spec("openvino")):
        return None
    try:
        return QuickStylizer(network)
    except InputError:
        return None
    except RuntimeError:  # damaged: to be made anew
        with suppress(OSError):
            network.unlink()
        return None


def cache_network(
    stylizer: "Stylizer", source: str | os.PathLike[str] | Mapping[str, float], network: Path
) -> None:
    """Keep the network of a style for `quick_stylizer`, unless it needs a GPU or much memory.

    A cache that cannot be written to is no reason to complain.

    Args:
        stylizer: what `hrstyle.load(source)` gave.
        source: see there.
        network: the `network_file` of it before it was loaded. If it is another one now, the file
            has changed meanwhile, and nothing is kept.
    """
    if stylizer.device.type != "cpu" or _exists(network) or not find_spec("openvino"):
        return
    from hrstyle.engine.layers import read_layers
    from hrstyle.engine.memory import LEAST
    from hrstyle.engine.sweeps import memory_of_pass

    layers = read_layers(stylizer.generator)
    if memory_of_pass(layers, pixels=PAINTED, itemsize=4) > LEAST:
        return
    with suppress(OSError, InputError, ImportError):
        from hrstyle.engine.onnx import onnx_bytes

        model = onnx_bytes(stylizer.generator, style="")
        if network_file(source) != network:
            return
        network.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(network, model)
        others = sorted(network.parent.glob("*.onnx"), key=lambda file: file.stat().st_mtime)
        for old in others[:-CACHE_SIZE]:
            old.unlink()


def _exists(network: Path) -> bool:
    # Path.is_file raises where the folder may not be looked into.
    return os.path.isfile(network)  # noqa: PTH113

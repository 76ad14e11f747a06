"""Repaint photos without PyTorch, in a style that was used before.

Importing PyTorch takes longer than repainting most photos. So the first use of a style writes its
network to the user's cache as an ONNX model, and later uses run this model with OpenVINO alone.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from hrstyle import __version__
from hrstyle.engine.compiled import compile_model
from hrstyle.errors import PICTURE_ERRORS, InputError
from hrstyle.files import write_atomically
from hrstyle.images.photos import as_picture, read_photo
from hrstyle.images.reading import PILImage, Source, resize_planes
from hrstyle.options import DEFAULTS, StylizeOptions
from hrstyle.painting.enlarge import brush
from hrstyle.painting.strokes import PAINTED, size_to_paint
from hrstyle.styles.catalogue import weights_file

if TYPE_CHECKING:
    from hrstyle.inference import Stylizer

CACHE_SIZE = 50
"""Maximal number of networks in the cache, of about 2 MB each; the oldest is deleted first."""
_NETWORK_SOURCES = (
    "checkpoint.py",
    "generator/base.py",
    "generator/paper_network.py",
    "generator/pyramid_network.py",
    "engine/layers.py",
    "engine/onnx.py",
)


class QuickStylizer:
    """A reduced `hrstyle.inference.Stylizer`: on the CPU, in float32, with default options only.

    Args:
        model: the file that `cache_network` wrote.

    Raises:
        InputError: OpenVINO is not installed.
        RuntimeError: the file is damaged.
    """

    dtype = "float32"

    def __init__(self, model: Path):
        self._run = compile_model(model)

    def stylize(self, image: Source) -> PILImage:
        """Repaint a picture; see `Stylizer.stylize`."""
        photo = read_photo(image)
        height, width, _ = photo.pixels.shape
        small = size_to_paint((height, width), DEFAULTS.strokes((height, width)))
        painted = self._run(resize_planes(photo.pixels, small)[None])[0]
        brush(painted, photo.pixels.transpose(2, 0, 1))
        return as_picture(photo.pixels, photo)

    def stylize_many(
        self,
        images: Iterable[Source],
        *,
        return_exceptions: bool = False,
        progress: bool = False,
        options: StylizeOptions = DEFAULTS,
    ) -> Iterator[Any]:
        """Repaint several pictures one after the other; see `Stylizer.stylize_many`."""
        assert options == DEFAULTS  # others are not implemented here
        for image in images:
            try:
                yield self.stylize(image)
            except PICTURE_ERRORS as error:
                if not return_exceptions:
                    raise
                yield error


def network_file(source: str | os.PathLike[str] | Mapping[str, float]) -> Path | None:
    """The cache file of a style's network, named by a hash of the weights and of our code.

    None for a mixture, and for a file that cannot be read; `hrstyle.load` then gives the error.
    """
    if isinstance(source, Mapping):
        return None
    package = Path(__file__).parents[1]
    try:
        files = [weights_file(source), *(package / name for name in _NETWORK_SOURCES)]
        digest = hashlib.sha256(__version__.encode())
        for path in files:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    except (InputError, OSError):
        return None
    folder = Path(platformdirs.user_cache_dir("hrstyle")) / "networks"
    return folder / f"{digest.hexdigest()[:32]}.onnx"


def quick_stylizer(network: Path) -> QuickStylizer | None:
    """A stylizer from this cache file, or None if the file or OpenVINO is missing."""
    if not (_exists(network) and find_spec("openvino")):
        return None
    try:
        return QuickStylizer(network)
    except InputError:
        return None
    except RuntimeError:  # a damaged file, to be written again
        with suppress(OSError):
            network.unlink()
        return None


def cache_network(
    stylizer: "Stylizer", source: str | os.PathLike[str] | Mapping[str, float], network: Path
) -> None:
    """Write the network of a style to the cache, for `quick_stylizer`.

    Nothing is written if the stylizer uses a GPU or the network needs much memory, and no error is
    raised if the cache is not writable.

    Args:
        stylizer: the result of `hrstyle.load(source)`.
        source: the style, see `hrstyle.load`.
        network: `network_file(source)` from before the style was loaded. If it differs by now, the
            weights have changed in between, and nothing is written.
    """
    if stylizer.device.type != "cpu" or _exists(network) or not find_spec("openvino"):
        return
    from hrstyle.engine.layers import read_layers
    from hrstyle.engine.memory import MIN_BYTES
    from hrstyle.engine.sweeps import memory_of_pass

    layers = read_layers(stylizer.generator)
    if memory_of_pass(layers, pixels=PAINTED, itemsize=4) > MIN_BYTES:
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
    # Path.is_file raises if the folder is not readable.
    return os.path.isfile(network)  # noqa: PTH113

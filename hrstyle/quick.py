"""A photo in a style that was used before, without PyTorch.

To import PyTorch takes longer than to paint most photos. So the network of a style is kept in the
user's cache as the ONNX model that OpenVINO takes, and the next time it is all that is needed.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs
from PIL import Image

from hrstyle import __version__
from hrstyle.compiled import compile_model
from hrstyle.errors import InputError
from hrstyle.images import Source, alpha_of, image_of, to_array
from hrstyle.metadata import PILImage, kept_info
from hrstyle.saving import write_atomically
from hrstyle.styles import weights_file

if TYPE_CHECKING:
    from hrstyle.inference import Stylizer

LARGEST = 3_500_000
"""Pixels of a photo for which it will do: a pass takes less than the `LEAST` memory that it may."""
KEPT = 50
"""Networks in the cache, of some 2 MB each; the one that was made first goes first."""


class QuickStylizer:
    """As much of `hrstyle.inference.Stylizer` as photos up to `LARGEST` need; on CPUs, in float32.

    Args:
        model: file that `keep` wrote.

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
        values = to_array(picture).transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
        painted = (self._run(values)[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)
        result = Image.fromarray(painted)
        if (alpha := alpha_of(picture)) is not None:
            result.putalpha(alpha)
        result.info.update(kept_info(picture))
        return result

    def stylize_many(
        self, images: Iterable[Source], *, return_exceptions: bool = False, progress: bool = False
    ) -> Iterator[Any]:
        """Repaint several pictures in their turn; see `Stylizer.stylize_many`."""
        for image in images:
            try:
                yield self.stylize(image)
            except InputError as error:
                if not return_exceptions:
                    raise
                yield error


def quick_stylizer(source: str | os.PathLike[str]) -> QuickStylizer | None:
    """The style, where its network has been kept.

    Raises:
        InputError: no such style or file.
    """
    model = _kept_file(weights_file(source))
    if not (model.is_file() and find_spec("openvino")):
        return None
    try:
        return QuickStylizer(model)
    except (InputError, RuntimeError):  # OpenVINO is broken, or the file: `keep` makes it anew
        return None


def keep(stylizer: "Stylizer | QuickStylizer", source: str | os.PathLike[str]) -> None:
    """Keep the network of a style on the CPU for `quick_stylizer`, if OpenVINO is there to run it.

    Args:
        stylizer: what `hrstyle.load(source)` gives; nothing is done for a `QuickStylizer`.
        source: name of a bundled style, or path of a file; of a mixture nothing is kept.
    """
    if isinstance(stylizer, QuickStylizer) or stylizer.device.type != "cpu":
        return
    if not find_spec("openvino"):
        return
    from hrstyle.engine.layers import read_layers
    from hrstyle.engine.memory import LEAST
    from hrstyle.engine.onnx import onnx_bytes
    from hrstyle.engine.sweeps import memory_of_plain_pass

    layers = read_layers(stylizer.generator)
    if 2 * memory_of_plain_pass(layers, pixels=LARGEST, itemsize=4) > LEAST:
        return  # as `Painter` reckons
    model = _kept_file(weights_file(source))
    with suppress(OSError, InputError):  # a cache that cannot be written to is no reason to complain
        model.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(model, onnx_bytes(stylizer.generator, style=""))
        others = sorted(model.parent.glob("*.onnx"), key=lambda file: file.stat().st_mtime)
        for old in others[:-KEPT]:
            old.unlink(missing_ok=True)


def _kept_file(weights: Path) -> Path:
    """Where the network of these weights is kept, by what the file holds."""
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(__version__.encode())
    folder = Path(platformdirs.user_cache_dir("hrstyle")) / "networks"
    return folder / f"{digest.hexdigest()[:32]}.onnx"

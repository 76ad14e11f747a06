"""Repaint photos without PyTorch, whose import takes longer than repainting most photos.

The networks of all bundled styles have one shape. Its ONNX model comes along without weights
(`hrstyle.engine.compiled.TEMPLATE`); here a style's weights are filled in, and OpenVINO runs it.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from hrstyle.engine.compiled import Pass, compile_template
from hrstyle.engine.options import DEFAULTS, StylizeOptions
from hrstyle.errors import PICTURE_ERRORS, InputError
from hrstyle.images.photos import Photo, as_picture, read_photo
from hrstyle.images.reading import PILImage, Source, resize_planes
from hrstyle.painting.enlarge import brush
from hrstyle.painting.strokes import size_to_paint
from hrstyle.pipeline import in_order
from hrstyle.styles.trained import FORMAT, weights_file


def quick_stylizer(source: str | os.PathLike[str] | Mapping[str, float]) -> "QuickStylizer | None":
    """A stylizer for a style's name or .safetensors file, see `hrstyle.load`.

    None for anything else, for a network of another shape and for a file that cannot be used, for
    which `hrstyle.load` gives the error; and without OpenVINO.
    """
    if isinstance(source, Mapping) or not find_spec("openvino"):
        return None
    try:
        with safe_open(weights_file(source), framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata["format"] != FORMAT:
                return None
            weights = {key: file.get_tensor(key).astype(np.float32) for key in file.keys()}  # noqa: SIM118
        if not all(np.isfinite(value).all() for value in weights.values()):
            return None
        return QuickStylizer(compile_template(json.loads(metadata["generator"]), weights))
    except (InputError, SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError):
        return None


class QuickStylizer:
    """A reduced `hrstyle.inference.Stylizer`: on the CPU, in float32, with default options only.

    Args:
        network: a style's network.
    """

    dtype = "float32"

    def __init__(self, network: Pass):
        self._network = network

    def stylize(self, image: Source) -> PILImage:
        """Repaint a picture; see `Stylizer.stylize`."""
        return self._repaint(read_photo(image))

    def _repaint(self, photo: Photo) -> PILImage:
        height, width, _ = photo.pixels.shape
        small = size_to_paint((height, width), DEFAULTS.strokes((height, width)))
        painted = self._network(resize_planes(photo.pixels, small)[None])[0]
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
        """Repaint several pictures; threads read ahead. See `Stylizer.stylize_many`."""
        assert options == DEFAULTS  # others are not implemented here
        for photo in in_order(read_photo, images):
            try:
                yield self._repaint(photo.result())
            except PICTURE_ERRORS as error:
                if not return_exceptions:
                    raise
                yield error

"""`Photo`: a picture as it is painted, with what its repaint takes over unchanged."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hrstyle.images.metadata import kept_info
from hrstyle.images.reading import PILImage, Source, alpha_of, image_of, to_array


class Photo(NamedTuple):
    """A picture that was read.

    Attributes:
        pixels: `(H, W, 3)`, uint8, sRGB; an array of its own, which may be overwritten.
        alpha: the transparency, mode L, or None.
        info: the metadata that the repaint keeps, see `kept_info`.
    """

    pixels: NDArray[np.uint8]
    alpha: PILImage | None
    info: dict[str, Any]


def read_photo(source: Source, *, check: Callable[[PILImage], None] | None = None) -> Photo:
    """Read a file, Pillow image or array.

    Args:
        source: the picture.
        check: see `hrstyle.images.open_image`.

    Raises:
        InputError: see `hrstyle.images.image_of`.
    """
    picture = image_of(source, check=check)
    return Photo(to_array(picture), alpha_of(picture), kept_info(picture))


def as_picture(pixels: NDArray[np.uint8], photo: Photo) -> PILImage:
    """Pixels `(H, W, 3)` as a Pillow image with the photo's metadata and its resized transparency.

    With the photo's own pixels it is the photo itself, in sRGB.
    """
    picture = Image.fromarray(pixels)
    if photo.alpha is not None:
        alpha = photo.alpha
        picture.putalpha(alpha if alpha.size == picture.size else alpha.resize(picture.size))
    picture.info.update(photo.info)
    return picture

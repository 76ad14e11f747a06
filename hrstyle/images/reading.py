"""Pictures in: files, Pillow images of all modes and arrays -> 8-bit sRGB.

What becomes of them inside hrstyle is in `hrstyle.images.tensors`.
"""

import io
import logging
import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from hrstyle.errors import InputError
from hrstyle.images.metadata import exif_of

PILImage = Image.Image
Source = str | os.PathLike[str] | IO[bytes] | PILImage | NDArray[Any]
"""What people have a picture as, besides tensors."""
_BAND = 256
_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")


# Pillow logs what it is about to raise, which Python would print where nobody set up logging.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def _quieten() -> None:
    """Leave what is to be said of a bad file to the sentence that is raised.

    The filters stay, because to take them back is not safe with threads. Of Pillow's guard against
    decompression bombs only the default is changed, for who asked to hear of them.
    """
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning, append=True)


def open_image(path: str | os.PathLike[str] | IO[bytes]) -> PILImage:
    """Read a picture's file, by its path or open: fully decoded, upright by its EXIF orientation.

    Raises:
        InputError: the file is missing, is no picture that Pillow reads, or is cut off.
    """
    _quieten()
    name = path if isinstance(path, (str, os.PathLike)) else "the input"
    try:
        with Image.open(path) as image:
            return upright(image)
    except FileNotFoundError as error:
        raise InputError(f"no such picture: {path}; check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder; name a picture file in it") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{name} is not a picture of a type that can be read") from error
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{name} is larger than Pillow opens unasked ({error}); if you trust the file, set"
            " PIL.Image.MAX_IMAGE_PIXELS = None"
        ) from error
    except Exception as error:  # decoders raise all sorts of types for damaged files
        raise InputError(f"{name} is not a picture that can be read: {error}") from error


def pixels_of(path: str | os.PathLike[str] | IO[bytes], *, all_frames: bool = True) -> int:
    """Pixels of a picture's file, in all its frames or in one, by what its header says.

    0 if it is no picture.
    """
    _quieten()
    try:
        with Image.open(path) as image:
            frames = getattr(image, "n_frames", 1) if all_frames else 1
            return image.width * image.height * frames
    except Exception:  # what is wrong with it, `open_image` will say
        return 0


def image_of(source: Source) -> PILImage:
    """What people have, as an upright Pillow image of any mode: a file, an image, an array.

    Raises:
        InputError: see `open_image`, `upright` and `from_array`.
    """
    if isinstance(source, np.ndarray):
        return from_array(source)
    if not isinstance(source, Image.Image):
        return open_image(source)
    _quieten()
    try:
        return upright(source)
    except InputError:
        raise
    except Exception as error:  # not decoded until now, and cut off; or closed
        name = getattr(source, "filename", "") or "the picture"
        raise InputError(f"{name} cannot be read: {error}") from error


def upright(image: PILImage) -> PILImage:
    """A copy of the picture, turned as its EXIF orientation says.

    Raises:
        InputError: a picture of no pixels.
    """
    if 0 in image.size:
        raise InputError(f"a picture of {image.width}x{image.height} pixels has nothing to repaint")
    with suppress(Exception):  # damaged, which Pillow says the first time it is asked
        image.getexif()
    result = ImageOps.exif_transpose(image)
    result.info["exif"] = exif_of(image)  # of a TIFF, Pillow would leave it behind
    return result


def from_array(array: NDArray[Any]) -> PILImage:
    """numpy array -> Pillow image of mode L, RGB or RGBA.

    Args:
        array: `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or `(H, W, 4)`; uint8 or uint16 over their whole
            range, or float in [0, 1].

    Raises:
        InputError: another shape, type or range.
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or not array.size:
        raise InputError(
            f"an array of shape {array.shape} is not a picture; give (H, W), or (H, W, C) with"
            " 1, 3 or 4 channels"
        )
    if np.issubdtype(array.dtype, np.floating):
        check_range(float(array.min()), float(array.max()))
        array = _in_bands(array, lambda band: (band * 255).round())
    elif array.dtype == np.uint16:
        array = _in_bands(array, lambda band: (band / 257).round())
    elif array.dtype != np.uint8:
        raise InputError(f"an array of {array.dtype} is not a picture; give uint8, uint16 or float")
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def _in_bands(array: NDArray[Any], scaled: Callable[[Any], Any]) -> NDArray[np.uint8]:
    """An array in 8 bits, a band of rows at a time: in between, it takes eight times the memory."""
    result = np.empty(array.shape, np.uint8)
    for top in range(0, len(array), _BAND):
        result[top : top + _BAND] = scaled(array[top : top + _BAND])
    return result


def check_range(low: float, high: float) -> None:
    """Raise InputError unless float values that span this are a picture's."""
    if not (low >= 0 and high <= 1):  # written so that NaN fails too
        raise InputError(
            f"float pictures must lie in [0, 1], this one spans {low:g} to {high:g}; divide 8-bit"
            " values by 255, or clamp"
        )


def to_rgb(image: PILImage) -> PILImage:
    """Bring any mode that files have to 8-bit sRGB; transparency is dropped (see `alpha_of`).

    A picture that is that already comes back as it is, not as a copy.

    An embedded colour profile (wide-gamut phones, CMYK scans) is honoured. 16-bit greyscale is
    scaled to 8 bits, which Pillow's own conversion would clip.
    """
    if image.mode in _DEEP_MODES:
        image = _to_8_bit(image)
    elif image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode == "LA":
        image = image.convert("L")  # which a grey profile is for
    elif image.mode in ("1", "PA", "RGBa", "RGBX"):
        image = image.convert("RGBA")
    profile = image.info.get("icc_profile")
    if profile:
        try:
            return ImageCms.profileToProfile(  # type: ignore[return-value]
                image.convert("RGB") if image.mode == "RGBA" else image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a damaged profile, or one for another mode: the plain conversion below will do
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bit(image: PILImage) -> PILImage:
    values = np.asarray(image)
    peak = values.max(initial=0, where=np.isfinite(values))
    if image.mode == "F":  # no agreed range: 0-1 or 0-255
        white = 1.0 if peak <= 1 else 255.0
    elif image.mode == "I":  # 32 bits wide, but holds 16-bit data, or 8-bit
        white = 255.0 if peak <= 255 else 65535.0
    else:
        white = 65535.0

    def scaled(band: NDArray[Any]) -> NDArray[Any]:
        return np.nan_to_num((band * (255 / white)).clip(0, 255), copy=False).round()  # NaN: black

    result = Image.fromarray(_in_bands(values, scaled))
    if profile := image.info.get("icc_profile"):
        result.info["icc_profile"] = profile
    return result


def alpha_of(image: PILImage) -> PILImage | None:
    """The transparency of a picture as mode L, or None where it has none."""
    return image.convert("RGBA").getchannel("A") if image.has_transparency_data else None


def resize_array(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """`(H, W, 3)` uint8 at another height and width, bicubic, with the filter widened to reduce."""
    resized = Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC)
    return np.array(resized)


def resize_planes(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """`(H, W, 3)` uint8 -> `(3, h, w)` in [0, 1], as `resize_array`, but nothing is rounded."""
    planes = np.empty((3, *size), np.float32)
    for plane, channel in zip(planes, Image.fromarray(pixels).split(), strict=True):
        plane[:] = np.asarray(channel.convert("F").resize(size[::-1], Image.Resampling.BICUBIC))
    planes /= np.float32(255)
    return planes.clip(0, 1)


def to_array(image: PILImage) -> NDArray[np.uint8]:
    """Pillow image of any mode -> a new array `(H, W, 3)`, uint8."""
    return np.array(to_rgb(image), dtype=np.uint8)

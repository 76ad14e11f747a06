"""Reading pictures: files, Pillow images of any mode and arrays -> 8-bit sRGB.

`hrstyle.images.tensors` converts them to tensors.
"""

import io
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from glob import has_magic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from hrstyle.errors import InputError
from hrstyle.files import fix_missing
from hrstyle.images.formats import File, PILImage as PILImage, name_of, open_file, silence_pillow
from hrstyle.images.metadata import exif_of
from hrstyle.images.transparency import fill_invisible

Source = File | PILImage | NDArray[Any]
"""The kinds of picture that can be read, besides tensors."""
_BAND_ROWS = 256
_TOLERANCE = 1 / 512  # less than half of 1/255
_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")


def open_image(
    source: File,
    *,
    at_least: int | None = None,
    name: str | None = None,
    formats: Sequence[str] | None = None,
    check: Callable[[PILImage], None] | None = None,
) -> PILImage:
    """Read a picture file: decode it fully, and turn it upright by its EXIF orientation.

    Args:
        source: path of the file, an open file, or its bytes.
        at_least: pixels of the shorter side that are enough. A JPEG with at least twice as many is
            decoded at a half, a quarter or an eighth of its size, with at least so many pixels.
            That takes a fraction of the time and memory.
        name, formats: see `hrstyle.images.formats.open_file`.
        check: called with the picture before it is decoded; may raise InputError, for example
            because of its size.

    Raises:
        InputError: the file is missing, damaged, or not a picture that can be read.
    """
    name = name or name_of(source)
    try:
        with open_file(source, name=name, formats=formats) as image:
            if check:
                check(image)
            if at_least and (times := min(image.size) // at_least) > 1:
                image.draft(None, (image.width // times, image.height // times))
            return upright(image)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(_missing(name)) from error
    except IsADirectoryError as error:
        raise InputError(f"{name} is a folder; name a picture file in it") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name} is not a picture of a type that can be read; take a JPEG, PNG or WebP"
        ) from error
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{name} is larger than Pillow opens by default ({error}); if you trust the file, set"
            " PIL.Image.MAX_IMAGE_PIXELS = None"
        ) from error
    except Exception as error:  # decoders raise many types for damaged files
        raise InputError(f"{name} is not a picture that can be read: {error}") from error


def _missing(name: str) -> str:
    if has_magic(name):
        return f"no such picture: {name}; patterns are not expanded here; give the files themselves"
    return f"no such picture: {name}; {fix_missing(name)}"


def image_of(
    source: Source,
    *,
    at_least: int | None = None,
    check: Callable[[PILImage], None] | None = None,
) -> PILImage:
    """A file, Pillow image or array as an upright Pillow image of any mode.

    Args:
        source: the picture.
        at_least, check: for files, see `open_image`.

    Raises:
        InputError: not a picture; see `open_image`, `upright` and `from_array`.
    """
    if isinstance(source, np.ndarray):
        return from_array(source)
    if not isinstance(source, Image.Image):
        check_one(source)
        return open_image(source, at_least=at_least, check=check)
    silence_pillow()
    try:
        return upright(source)
    except InputError:
        raise
    except Exception as error:  # decoded only now: may be cut off or closed
        name = getattr(source, "filename", "") or "the picture"
        raise InputError(f"{name} cannot be read: {error}") from error


def check_one(source: object, *, fix: str = "give them one at a time") -> None:
    """Raise InputError unless `source` is a path, bytes or an open file.

    `fix` is what to do about several pictures.
    """
    if isinstance(source, str | bytes | os.PathLike) or hasattr(source, "read"):
        return
    if isinstance(source, Iterable):
        raise InputError(f"a {type(source).__name__} is not one picture; {fix}")
    raise InputError(
        f"a {type(source).__name__} is not a picture; give a path, an open file, a Pillow image, or"
        " an array"
    )


def check_many(pictures: object) -> None:
    """Raise InputError if `pictures` is a single picture instead of several."""
    dimensions = getattr(pictures, "ndim", None)  # of arrays and tensors: four are a batch
    if (
        isinstance(pictures, str | bytes | os.PathLike | Image.Image)
        or hasattr(pictures, "read")
        or (dimensions is not None and dimensions < 4)
        or not isinstance(pictures, Iterable)
    ):
        raise InputError(
            f"stylize_many takes several pictures, not a single {type(pictures).__name__}; give it"
            " to stylize, or in a list"
        )


def upright(image: PILImage) -> PILImage:
    """A copy of the picture, turned as its EXIF orientation says.

    Raises:
        InputError: a picture without pixels.
        Exception: a damaged picture, as Pillow raises it.
    """
    if 0 in image.size:
        raise InputError(f"a picture of {image.width}x{image.height} pixels has nothing to repaint")
    # Decode before reading EXIF, which would decode a PNG, too: errors of pixels must be raised,
    # errors of EXIF must not.
    image.load()
    with suppress(Exception):  # Pillow reports damaged EXIF only at the first call
        image.getexif()
    result = ImageOps.exif_transpose(image)
    result.info["exif"] = exif_of(image)  # Pillow does not copy that of a TIFF
    return result


def from_array(array: NDArray[Any]) -> PILImage:
    """numpy array -> Pillow image of mode L, RGB or RGBA.

    Args:
        array: `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or `(H, W, 4)`; uint8 or uint16 over their whole
            range, or float in [0, 1]; see `check_range`.

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
        array = _in_bands(array, lambda band: (band * 255).round().clip(0, 255))
    elif array.dtype == np.uint16:
        array = _in_bands(array, lambda band: (band / 257).round())
    elif array.dtype != np.uint8:
        raise InputError(f"an array of {array.dtype} is not a picture; give uint8, uint16 or float")
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def _in_bands(array: NDArray[Any], scaled: Callable[[Any], Any]) -> NDArray[np.uint8]:
    """`scaled(array)` as uint8, by bands of rows: the intermediate takes eight times the memory."""
    result = np.empty(array.shape, np.uint8)
    for top in range(0, len(array), _BAND_ROWS):
        result[top : top + _BAND_ROWS] = scaled(array[top : top + _BAND_ROWS])
    return result


def check_range(low: float, high: float) -> None:
    """Raise InputError unless float values from `low` to `high` lie in [0, 1].

    They may exceed it by rounding errors: by less than half of 1/255.
    """
    if not (low >= -_TOLERANCE and high <= 1 + _TOLERANCE):  # written so that NaN fails too
        raise InputError(
            f"float pictures must lie in [0, 1], this one spans {low:g} to {high:g}; divide 8-bit"
            " values by 255, or clamp"
        )


def to_rgb(image: PILImage) -> PILImage:
    """Convert a picture of any mode to 8-bit sRGB. Transparency is dropped, see `alpha_of`.

    A picture that is 8-bit sRGB already is returned itself, not as a copy. Invisible pixels get the
    colours of their surroundings, see `fill_invisible`.

    An embedded colour profile (wide-gamut phones, CMYK scans) is applied. 16-bit greyscale is
    scaled to 8 bits; Pillow's own conversion would clip it.
    """
    colours, alpha = _colours_of(image), alpha_of(image)
    return colours if alpha is None else fill_invisible(colours, alpha)


def _colours_of(image: PILImage) -> PILImage:
    if image.mode in _DEEP_MODES:
        image = _to_8_bit(image)
    elif image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode == "LA":
        image = image.convert("L")  # grey profiles apply to this mode
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
            pass  # a damaged profile, or one for another mode: convert without it
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bit(image: PILImage) -> PILImage:
    values = np.asarray(image)
    peak = values.max(initial=0, where=np.isfinite(values))
    if image.mode == "F":  # no standard range: 0-1 or 0-255
        white = 1.0 if peak <= 1 else 255.0
    elif image.mode == "I":  # 32-bit mode that holds 16-bit or 8-bit data
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
    """The alpha channel of a picture as mode L, or None without transparency."""
    if not image.has_transparency_data:
        return None
    return (image if image.mode in ("RGBA", "LA") else image.convert("RGBA")).getchannel("A")


def is_transparent(image: PILImage) -> bool:
    """Whether a pixel of the picture is transparent."""
    alpha = alpha_of(image)
    return alpha is not None and alpha.getextrema() != (255, 255)


def resize_array(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize `(H, W, 3)` uint8 to height and width `size`, bicubic, antialiased when reducing."""
    resized = Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC)
    return np.array(resized)


def resize_planes(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """`(H, W, 3)` uint8 -> `(3, h, w)` in [0, 1], like `resize_array`, but without rounding."""
    planes = np.empty((3, *size), np.float32)
    for plane, channel in zip(planes, Image.fromarray(pixels).split(), strict=True):
        plane[:] = np.asarray(channel.convert("F").resize(size[::-1], Image.Resampling.BICUBIC))
    planes /= np.float32(255)
    return planes.clip(0, 1)


def to_array(image: PILImage) -> NDArray[np.uint8]:
    """Pillow image of any mode -> a new array `(H, W, 3)`, uint8."""
    return np.array(to_rgb(image), dtype=np.uint8)

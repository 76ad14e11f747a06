"""Writing picture files, in the formats that keep a picture's size and colours."""

import io
import os
from pathlib import Path
from typing import IO

from PIL import Image

from hrstyle.errors import InputError
from hrstyle.files import check_folder, open_atomically
from hrstyle.images.metadata import save_options
from hrstyle.images.reading import PILImage, alpha_of

QUALITY = 95
"""Default quality of JPEG, WebP and AVIF."""


def check_quality(quality: int | None) -> None:
    """Raise InputError unless `quality` is None or a whole number from 1 to 100."""
    if not (quality is None or (isinstance(quality, int) and 1 <= quality <= 100)):
        raise InputError(f"quality={quality!r} must be a whole number from 1 to 100")


# Other formats that Pillow writes reduce a picture to an icon or to a few colours.
_OUTPUT_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "PPM", "JPEG2000")


_OPAQUE = ("JPEG", "BMP", "PPM")  # Pillow would drop transparency silently
_LONGEST = {"JPEG": 65500, "WEBP": 16383}


def output_format(path: str | os.PathLike[str]) -> str:
    """Pillow's name of the format of a file name's ending.

    Raises:
        InputError: a format that cannot be written, or a folder that does not exist.
    """
    path = Path(path)
    file_format = Image.registered_extensions().get(path.suffix.lower(), "")
    if file_format not in _OUTPUT_FORMATS or file_format not in Image.SAVE:
        raise InputError(f"{path}: no such picture type as {path.suffix!r}; use .png or .jpg")
    check_folder(path)
    return file_format


def check_output(image: PILImage, path: str | os.PathLike[str]) -> str:
    """`output_format(path)`, checked to be able to hold the picture's transparency.

    Raises:
        InputError: see `output_format`; or transparency in a JPEG, BMP or PPM.
    """
    file_format, alpha = output_format(path), alpha_of(image)
    if file_format in _OPAQUE and alpha and alpha.getextrema() != (255, 255):
        raise InputError(f"{path}: {file_format} cannot hold transparency; end the name in .png")
    return file_format


def check_longest(path: str | os.PathLike[str], longer: int) -> None:
    """Raise InputError if the format of `path` cannot hold a side of `longer` pixels."""
    file_format = Image.registered_extensions().get(Path(path).suffix.lower(), "")
    most = _LONGEST.get(file_format, longer)
    if longer > most:
        raise InputError(
            f"{path} can hold at most {most} pixels a side, not {longer}; end the name in .png"
        )


def save_image(
    image: PILImage,
    path: str | os.PathLike[str],
    *,
    quality: int | None = None,
    strip: bool = False,
) -> None:
    """Write an sRGB picture; the name's ending gives the format. An error leaves no file.

    Args:
        image: the picture. EXIF in its `info` is written, as a repaint has it.
        path: the file.
        quality: from 1 to 100, for JPEG, WebP and AVIF; the other formats are lossless.
        strip: write neither EXIF nor the sRGB profile.

    Raises:
        InputError: see `output_format`; or a format that cannot hold the picture, or a folder that
            is not writable.
    """
    check_output(image, path)
    check_longest(path, max(image.size))
    with open_atomically(path) as file:
        write_image(image, file, path, quality=quality, strip=strip)


def write_image(
    image: PILImage,
    file: IO[bytes],
    name: str | os.PathLike[str],
    *,
    quality: int | None = None,
    strip: bool = False,
) -> None:
    """`save_image` to an open file; the ending of `name` gives the format."""
    file_format = check_output(image, name)
    check_longest(name, max(image.size))
    if file_format in _OPAQUE and image.mode == "RGBA":
        image = image.convert("RGB")
    options = save_options(image, file_format, strip=strip)
    if file_format in ("JPEG", "WEBP", "AVIF"):
        check_quality(quality)
        options["quality"] = QUALITY if quality is None else quality
    # To memory first: on a full disk Pillow may report success, or loop for ever.
    encoded = io.BytesIO()
    try:
        image.save(encoded, file_format, **options)
    except (ValueError, OSError) as error:
        raise InputError(f"{name}: {error}; try a name ending in .png") from error
    file.write(encoded.getbuffer())

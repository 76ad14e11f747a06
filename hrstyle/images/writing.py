"""Writing picture files, in the formats that keep a picture's size and colours."""

import io
import os
from pathlib import Path
from typing import IO

from PIL import Image

from hrstyle.errors import InputError
from hrstyle.files import check_folder, write_atomically
from hrstyle.images.formats import File, format_name, open_file
from hrstyle.images.limits import LONGEST, OPAQUE
from hrstyle.images.metadata import save_options
from hrstyle.images.reading import PILImage, is_transparent

QUALITY = 95
"""Default quality of JPEG, WebP and AVIF."""
# Other formats that Pillow writes reduce a picture to an icon or to a few colours.
_OUTPUT_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "PPM", "JPEG2000")


def check_quality(quality: int | None) -> None:
    """Raise InputError unless `quality` is None or a whole number from 1 to 100."""
    if not (quality is None or (isinstance(quality, int) and 1 <= quality <= 100)):
        raise InputError(f"quality={quality!r} must be a whole number from 1 to 100")


def output_format(path: str | os.PathLike[str]) -> str:
    """Pillow's name of the format of a file name's ending.

    Raises:
        InputError: a format that cannot be written.
    """
    file_format = format_name(path)
    if file_format not in _OUTPUT_FORMATS or file_format not in Image.SAVE:
        raise InputError(f"{path}{_why_not(path, file_format)}")
    return file_format


def _why_not(path: str | os.PathLike[str], file_format: str) -> str:
    ending = Path(path).suffix
    if not ending:
        return " has no ending; end its name in .png or .jpg"
    if file_format == "GIF":
        return ": GIF is only for animations; a still picture can be .png or .jpg"
    return f": no such picture type as {ending!r}; use .png or .jpg"


def check_longest(path: str | os.PathLike[str], longer: int) -> None:
    """Raise InputError if the format of `path` cannot hold a side of `longer` pixels."""
    most = LONGEST.get(format_name(path), longer)
    if longer > most:
        raise InputError(
            f"{path} can hold at most {most} pixels a side, not {longer}; end the name in .png"
        )


def check_output(image: PILImage, path: str | os.PathLike[str]) -> str:
    """`output_format(path)`, checked to be able to hold the picture.

    Raises:
        InputError: see `output_format`; a folder that does not exist; a side that is too long; or
            transparency in a JPEG, BMP or PPM.
    """
    file_format = output_format(path)
    check_folder(path)
    check_longest(path, max(image.size))
    _check_transparency(path, image)
    return file_format


def check_repaint(photo: File, path: str | os.PathLike[str], *, size: int | None = None) -> None:
    """Check that the format of `path` can hold a photo's repaint, before the photo is painted.

    Only the photo's header is read; its pixels, too, if they may be transparent and the format is
    opaque. A file that is no picture passes, because `open_image` says what is wrong with it.

    Args:
        photo: a picture file.
        path: the repaint's file.
        size: length of the repaint's longer side in pixels; None: the photo's.

    Raises:
        InputError: a side that is too long; transparency in a JPEG, BMP or PPM.
    """
    if format_name(path) not in (*LONGEST, *OPAQUE):
        return
    try:
        with open_file(photo) as image:
            check_longest(path, size or max(image.size))
            _check_transparency(path, image)
    except InputError:
        raise
    except Exception:  # decoders raise many types for damaged files
        return


def _check_transparency(path: str | os.PathLike[str], image: PILImage) -> None:
    file_format = format_name(path)
    if file_format in OPAQUE and is_transparent(image):
        raise InputError(f"{path}: {file_format} cannot hold transparency; end the name in .png")


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
        path: the file; `~` is the user's folder.
        quality: from 1 to 100, for JPEG, WebP and AVIF; the other formats are lossless.
        strip: write neither EXIF nor the sRGB profile.

    Raises:
        InputError: see `check_output`; or a folder that is not writable.
    """
    write_atomically(path, _encoded(image, path, quality, strip))


def write_image(
    image: PILImage,
    file: IO[bytes],
    name: str | os.PathLike[str],
    *,
    quality: int | None = None,
    strip: bool = False,
) -> None:
    """`save_image` to an open file; the ending of `name` gives the format."""
    file.write(_encoded(image, name, quality, strip))


def _encoded(
    image: PILImage, name: str | os.PathLike[str], quality: int | None, strip: bool
) -> memoryview:
    """The file's bytes. Written to the disk, Pillow may ignore that it is full, or loop forever."""
    file_format = check_output(image, name)
    if file_format in OPAQUE and image.mode == "RGBA":
        image = image.convert("RGB")
    options = save_options(image, file_format, strip=strip)
    if file_format in ("JPEG", "WEBP", "AVIF"):
        check_quality(quality)
        options["quality"] = QUALITY if quality is None else quality
    encoded = io.BytesIO()
    try:
        image.save(encoded, file_format, **options)
    except (ValueError, OSError) as error:
        raise InputError(f"{name}: {error}; try a name ending in .png") from error
    return encoded.getbuffer()

"""Which files are pictures, by their names and by what they hold, and how they are opened.

Pillow reads most types. HEIC and JPEG XL need a plugin, which is loaded when the first file of its
kind is opened, not before. A raw photo is refused: Pillow would read the thumbnail in it.
"""

import io
import logging
import os
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, NamedTuple

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from hrstyle.errors import InputError

PILImage = Image.Image
File = str | os.PathLike[str] | IO[bytes] | bytes
"""A picture's file: its path, or open, or all its bytes."""


class _Plugin(NamedTuple):
    module: str
    endings: tuple[str, ...]
    fix: str


_PLUGINS = {
    "HEIC": _Plugin(
        "pillow_heif", (".heic", ".heif", ".heics", ".heifs", ".hif"), "pip install 'hrstyle[heic]'"
    ),
    "JPEG XL": _Plugin("pillow_jxl", (".jxl",), "pip install 'hrstyle[jxl]'"),
}
_AVIF_FIX = "pip install -U pillow"  # wheels before 11.3 were without
_EXPORT = "export it as JPEG or TIFF from a raw converter"
# fmt: off
_RAW_ENDINGS = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef",
    ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf",
    ".srw", ".x3f",
)
_HEIC_BRANDS = (
    b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1",
)
# fmt: on
_RAW_HEADERS = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb")
_JXL_HEADERS = (b"\xff\x0a", b"\0\0\0\x0cJXL ")
# What Pillow knows by its ending, but is no picture, or only with another program's help.
_NO_PICTURES = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "PDF", "WMF")
_KIND_OF_PAGE = 254  # a TIFF's tag NewSubfileType
_REDUCED = 1  # its bit that says that the page is a small version of another

# Pillow logs what it is about to raise, which Python would print where nobody set up logging.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_QUIET = ("ignore", None, UserWarning, re.compile(r"PIL\."), 0)
_UNASKED = ("ignore", None, Image.DecompressionBombWarning, None, 0)


def quieten() -> None:
    """Leave what is to be said of a bad file to the sentence that is raised.

    The filters stay, because to take them back is not safe with threads. They are put into Python's
    list by hand, because its own functions also make it forget which warnings it has shown. Of
    Pillow's guard against decompression bombs only the default is changed, for who asked to hear of
    them.
    """
    filters: Any = warnings.filters
    if not filters or filters[0] != _QUIET or _UNASKED not in filters:
        others = [known for known in filters if known not in (_QUIET, _UNASKED)]
        filters[:] = [_QUIET, *others, _UNASKED]


def trust_files() -> None:
    """Open pictures of any size from here on, in this process.

    Pillow's guard against small files that unpack to huge pictures is for services that take files
    from strangers. Who names a file to a command means it; the others count the pixels themselves.
    """
    Image.MAX_IMAGE_PIXELS = None


def open_file(
    source: File, *, name: str | None = None, formats: Sequence[str] | None = None
) -> PILImage:
    """`PIL.Image.open`, with the plugins that there are; nothing is decoded yet.

    Args:
        source: a path, in which `~` is the user's folder; an open file; or bytes.
        name: what to call it in a sentence; None: `name_of` it.
        formats: names of Pillow's formats, if not all are welcome.

    Raises:
        InputError: a type of picture that needs a plugin; a raw photo.
        OSError: see `PIL.Image.open`; in particular `PIL.UnidentifiedImageError`.
    """
    quieten()
    name = name or name_of(source)
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        # Unlike Path's, it leaves a name alone that begins with ~ and is nobody's.
        source = os.path.expanduser(source)  # noqa: PTH111
    elif not (hasattr(source, "seekable") and source.seekable()):
        source = io.BytesIO(source.read())
    try:
        image = Image.open(source, formats=_known(formats))
    except UnidentifiedImageError:
        if not _load_plugin(_header(source), name):
            raise
        image = Image.open(source, formats=_known(formats))
    try:
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            _leave_thumbnail(image, name)
    except BaseException:
        image.close()
        raise
    return image


def name_of(source: object) -> str:
    """What to call a picture in a sentence."""
    return str(source) if isinstance(source, str | os.PathLike) else "the input"


def _known(formats: Sequence[str] | None) -> list[str] | None:
    if formats is None:
        return None
    Image.init()
    return [name for name in formats if name in Image.OPEN]


def _header(source: str | IO[bytes]) -> bytes:
    if not isinstance(source, str):
        source.seek(0)
        return source.read(64)
    with Path(source).open("rb") as file:
        return file.read(64)


def _load_plugin(header: bytes, name: str) -> bool:
    """Whether a plugin was loaded for a file that begins so.

    Raises:
        InputError: a file that needs what is not installed, or is a raw photo.
    """
    brand = header[8:12] if header[4:8] == b"ftyp" else b""
    if brand == b"crx " or header.startswith(_RAW_HEADERS):
        raise InputError(f"{name} is a raw photo, which is not read; {_EXPORT}")
    if brand and (b"avif" in header or brand == b"avis"):
        kind, fix = "AVIF", _AVIF_FIX
        if is_picture("x.avif"):  # so the file is damaged
            return False
    elif brand in _HEIC_BRANDS or header.startswith(_JXL_HEADERS):
        kind = "HEIC" if brand else "JPEG XL"
        module, _, fix = _PLUGINS[kind]
        if find_spec(module):
            plugin = import_module(module)  # which is all that JPEG XL's needs
            if kind == "HEIC":
                plugin.register_heif_opener()
            return True
    else:
        return False
    raise InputError(f"{name} is a picture of type {kind}, which this Pillow does not read; {fix}")


def _leave_thumbnail(image: TiffImagePlugin.TiffImageFile, name: str) -> None:
    """Go to the picture itself where a TIFF begins with a small version of it.

    Raises:
        InputError: a raw photo.
    """
    is_reduced = image.tag_v2.get(_KIND_OF_PAGE, 0) & _REDUCED
    is_raw = Path(name).suffix.lower() in _RAW_ENDINGS
    if is_raw or (is_reduced and TiffImagePlugin.SUBIFD in image.tag_v2):
        raise InputError(f"{name} is a raw photo, of which only a thumbnail can be read; {_EXPORT}")
    if not is_reduced:
        return
    for page in range(1, image.n_frames):
        image.seek(page)
        if not image.tag_v2.get(_KIND_OF_PAGE, 0) & _REDUCED:
            return
    image.seek(0)


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file's name is that of a picture that can be read here; of hidden ones, none is.

    Among the hidden ones are those named `._photo.jpg` that macOS leaves beside photos.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if path.name.startswith("."):
        return False
    for plugin in _PLUGINS.values():
        if ending in plugin.endings:
            return find_spec(plugin.module) is not None
    kind = Image.registered_extensions().get(ending)
    return kind in Image.OPEN and kind not in _NO_PICTURES


def pictures_in(
    folder: Path, *, recursive: bool = True, but: Path | None = None
) -> tuple[list[Path], Counter[str]]:
    """The pictures in a folder, in order, and how many other files there are of each ending.

    Hidden files and folders are left alone, and not counted.

    Args:
        folder: where to look.
        recursive: look into the folders in it, too.
        but: a folder to leave alone.
    """
    pictures, others = [], Counter[str]()
    but = but and but.resolve()
    for parent, folders, files in os.walk(folder):
        # Changed in place, these are where the walk goes next.
        folders[:] = sorted(
            name
            for name in folders
            if recursive and not name.startswith(".") and Path(parent, name).resolve() != but
        )
        for name in sorted(files):
            if is_picture(name):
                pictures.append(Path(parent, name))
            elif not name.startswith("."):
                others[Path(name).suffix.lower()] += 1
    return pictures, others


def left_out(others: Counter[str]) -> str:
    """What `pictures_in` found besides pictures, in words, with what to do about it."""
    fixes = {ending: plugin.fix for plugin in _PLUGINS.values() for ending in plugin.endings}
    fixes |= dict.fromkeys((".avif", ".avifs"), _AVIF_FIX)
    fixes |= dict.fromkeys(_RAW_ENDINGS, _EXPORT)
    return "left out " + ", ".join(
        f"{count} {ending or 'without an ending'}"
        + (f" ({fixes[ending]})" if ending in fixes else "")
        for ending, count in others.most_common()
    )

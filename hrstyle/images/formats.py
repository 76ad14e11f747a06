"""Recognising picture files, by name and by content, and opening them.

Pillow reads most types. HEIC and JPEG XL need a plugin, which is loaded only when the first such
file is opened. Raw photos are refused, because Pillow would read only the thumbnail in them.
"""

import io
import logging
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, NamedTuple

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from hrstyle.errors import InputError
from hrstyle.files import expand_user

PILImage = Image.Image
File = str | os.PathLike[str] | IO[bytes] | bytes
"""A picture file: its path, an open file, or its bytes."""


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
_AVIF_FIX = "pip install -U pillow"  # Pillow's wheels read AVIF since 11.3
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
# Formats that Pillow lists, but that are not pictures or that only other programs can decode.
_NO_PICTURES = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "PDF", "WMF")
_KIND_OF_PAGE = 254  # a TIFF's tag NewSubfileType
_REDUCED = 1  # its bit that marks a page as a small version of another page

# Pillow logs errors before it raises them. Without a handler, Python would print these.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_IGNORE_PILLOW_WARNINGS = ("ignore", None, UserWarning, re.compile(r"PIL\."), 0)
_IGNORE_BOMB_WARNING = ("ignore", None, Image.DecompressionBombWarning, None, 0)


def silence_pillow() -> None:
    """Silence Pillow's warnings about bad files: the error that is raised says all that is needed.

    The filters stay in place, because removing them is not thread-safe. They are inserted into
    `warnings.filters` directly, because `warnings.filterwarnings` also resets which warnings were
    already shown. The filter for decompression bombs comes last, so a filter that the user has set
    for them takes precedence.
    """
    filters: Any = warnings.filters
    if not filters or filters[0] != _IGNORE_PILLOW_WARNINGS or _IGNORE_BOMB_WARNING not in filters:
        others = [
            entry
            for entry in filters
            if entry not in (_IGNORE_PILLOW_WARNINGS, _IGNORE_BOMB_WARNING)
        ]
        filters[:] = [_IGNORE_PILLOW_WARNINGS, *others, _IGNORE_BOMB_WARNING]


def trust_files() -> None:
    """Turn off Pillow's limit on the number of pixels, for this process.

    The limit protects services that take files from strangers: a small file can unpack to a huge
    picture. A command opens files that its user has named, so it needs no limit. hrstyle's own
    services check the number of pixels themselves.
    """
    Image.MAX_IMAGE_PIXELS = None


def open_file(
    source: File, *, name: str | None = None, formats: Sequence[str] | None = None
) -> PILImage:
    """`PIL.Image.open`, with the installed plugins; the pixels are not decoded yet.

    Args:
        source: a path (`~` is the user's folder), an open file, or bytes.
        name: name of the picture in error messages; None: `name_of(source)`.
        formats: names of the Pillow formats to accept; None accepts all.

    Raises:
        InputError: a type of picture whose plugin is not installed; a raw photo.
        OSError: see `PIL.Image.open`; in particular `PIL.UnidentifiedImageError`.
    """
    silence_pillow()
    name = name or name_of(source)
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        source = expand_user(source)
    elif not (hasattr(source, "seekable") and source.seekable()):
        source = io.BytesIO(source.read())
    try:
        image = Image.open(source, formats=_registered(formats))
    except UnidentifiedImageError:
        if not _load_plugin(_header(source), name):
            raise
        image = Image.open(source, formats=_registered(formats))
    try:
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            _skip_thumbnail(image, name)
    except BaseException:
        image.close()
        raise
    return image


def size_and_frames(source: File) -> tuple[tuple[int, int], int]:
    """Height and width of a picture file, and the number of its frames, by its header.

    The size is (0, 0) if it is not a picture.
    """
    try:
        with open_file(source) as image:
            return (image.height, image.width), getattr(image, "n_frames", 1)
    except Exception:  # `open_image` reports what is wrong with the file
        return (0, 0), 1


def format_name(path: str | os.PathLike[str]) -> str:
    """Pillow's name of the format that a file name's ending stands for, or ""."""
    return Image.registered_extensions().get(Path(path).suffix.lower(), "")


def name_of(source: object) -> str:
    """The name of a picture in error messages."""
    return str(source) if isinstance(source, str | os.PathLike) else "the input"


def _registered(formats: Sequence[str] | None) -> list[str] | None:
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
    """Load the plugin for a file that begins with `header`; whether there was one to load.

    Raises:
        InputError: the plugin is not installed, or the file is a raw photo.
    """
    brand = header[8:12] if header[4:8] == b"ftyp" else b""
    if brand == b"crx " or header.startswith(_RAW_HEADERS):
        raise InputError(f"{name} is a raw photo, which cannot be read; {_EXPORT}")
    if brand and (b"avif" in header or brand == b"avis"):
        kind, fix = "AVIF", _AVIF_FIX
        if is_picture("x.avif"):  # Pillow reads AVIF, so the file is damaged
            return False
    elif brand in _HEIC_BRANDS or header.startswith(_JXL_HEADERS):
        kind = "HEIC" if brand else "JPEG XL"
        module, _, fix = _PLUGINS[kind]
        if find_spec(module):
            plugin = import_module(module)  # the import alone registers JPEG XL
            if kind == "HEIC":
                plugin.register_heif_opener()
            return True
    else:
        return False
    raise InputError(f"{name} is a picture of type {kind}, which this Pillow does not read; {fix}")


def _skip_thumbnail(image: TiffImagePlugin.TiffImageFile, name: str) -> None:
    """Seek to the first full-size page of a TIFF whose first page is a thumbnail.

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
    """Whether a file is, by its name, a picture that can be read with what is installed.

    Hidden files are not, such as the `._photo.jpg` that macOS puts beside a photo.
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
    folder: Path,
    *,
    recursive: bool = True,
    exclude: Path | None = None,
    is_wanted: Callable[[str], bool] = is_picture,
) -> tuple[list[Path], Counter[str]]:
    """The pictures in a folder, sorted, and the number of other files by ending.

    Hidden files and folders are skipped, and not counted.

    Args:
        folder: the folder to search.
        recursive: also search the folders in it.
        exclude: a folder to leave alone.
        is_wanted: tells by a file's name whether it is one.
    """
    pictures, others = [], Counter[str]()
    exclude = exclude and exclude.resolve()
    for parent, folders, files in os.walk(folder):
        # os.walk descends into what is left in this list.
        folders[:] = sorted(
            name
            for name in folders
            if recursive and not name.startswith(".") and Path(parent, name).resolve() != exclude
        )
        for name in sorted(files):
            if is_wanted(name):
                pictures.append(Path(parent, name))
            elif not name.startswith("."):
                others[Path(name).suffix.lower()] += 1
    return pictures, others


def describe_skipped(others: Counter[str]) -> str:
    """A phrase about the other files that `pictures_in` counted, with the fix for each type."""
    fixes = {ending: plugin.fix for plugin in _PLUGINS.values() for ending in plugin.endings}
    fixes |= dict.fromkeys((".avif", ".avifs"), _AVIF_FIX)
    fixes |= dict.fromkeys(_RAW_ENDINGS, _EXPORT)
    return "left out " + ", ".join(
        f"{count} {ending or 'without an ending'}"
        + (f" ({fixes[ending]})" if ending in fixes else "")
        for ending, count in others.most_common()
    )

"""The files of paintings: those that come along, your own, folders of them, and downloads."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from hrstyle.errors import InputError
from hrstyle.images.formats import describe_skipped, pictures_in

PICTURES = Path(__file__).parent / "paintings"


def picture_names() -> list[str]:
    """The names of the bundled paintings."""
    return sorted(path.stem for path in PICTURES.glob("*.jpg"))


def is_address(source: str) -> bool:
    """Whether a picture is on the web."""
    return source.startswith(("http://", "https://"))


def sources_of(image: str | Sequence[str]) -> list[str]:
    """The single pictures, see `Style.image`; a folder stands for those in and below it.

    Raises:
        InputError: no pictures, or a folder without any.
    """
    given = [image] if isinstance(image, str | os.PathLike) else list(image)
    if not given:
        raise InputError("style.image=[] names no picture; give at least one")
    found: list[str] = []
    for source in map(str, given):
        folder = _existing(source)
        if is_address(source) or source in picture_names() or not (folder and folder.is_dir()):
            found.append(source)
            continue
        paths, others = pictures_in(folder)
        if not paths:
            rest = f"; {describe_skipped(others)}" if others else ""
            raise InputError(f"style.image={source} is a folder without pictures{rest}")
        found += map(str, paths)
    return found


def file_of(source: str, *, sha256: str | None = None, member: str | None = None) -> Path:
    """The file of a picture: the given path, that of the bundled one, or that of the download.

    Raises:
        InputError: no such file; a failed download, or one with another hash.
    """
    if source in picture_names():
        return PICTURES / f"{source}.jpg"
    if is_address(source):
        from hrstyle.styles.download import fetch  # slow to import

        return fetch(source, sha256=sha256, member=member)
    path = existing_file(source)
    if path is None:
        raise InputError(
            f"no picture {source!r}: it is not a file, not an address, and not a bundled"
            f" picture ({', '.join(picture_names())}); the gallery's other pictures are"
            " fetched by the names of their styles"
        )
    return path


def name_after(image: str | Sequence[str]) -> str:
    """A name for the style of a picture: its file's without the ending, or its folder's.

    Of several pictures it is the first's. A name that is not in the system's encoding is read as
    Latin-1, because a style's name must be text.
    """
    source = str(image if isinstance(image, str | os.PathLike) else next(iter(image), ""))
    if is_address(source):
        return PurePosixPath(unquote(urlsplit(source).path)).stem or "style"
    path = _existing(source)
    name = path.resolve().name if path and path.is_dir() else Path(source).stem
    try:
        name.encode()
    except UnicodeEncodeError:
        text = os.fsencode(name).decode("latin-1")
        name = "".join(character if character.isprintable() else "_" for character in text)
    return name


def existing_file(name: str) -> Path | None:
    """The path of an existing file (`~` is expanded), or None."""
    path = _existing(name)
    return path if path and path.is_file() else None


def _existing(name: str) -> Path | None:
    try:
        path = Path(name).expanduser()
        return path if path.exists() else None
    except (RuntimeError, OSError, ValueError):  # unknown ~user; a name too long
        return None

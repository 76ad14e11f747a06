"""The names of files, and writing files atomically: a file is complete, or it is not there."""

import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import unquote

from hrstyle.errors import InputError

_NOT_OF_NAMES = " \t\r\n\"'`\u2018\u2019\u201c\u201d"
"""Blanks and quotes that copied text and scripts from Windows add to names."""


def expand_user(path: str | os.PathLike[str]) -> str:
    """The path with `~` replaced by the user's folder; `~x` stays if there is no user x."""
    return os.path.expanduser(path)  # noqa: PTH111  (Path.expanduser raises for such a `~x`)


def check_current_folder() -> None:
    """Raise InputError if the current folder was deleted, where libraries could not start."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise InputError("the current folder was deleted; go to another with cd") from error


def fix_missing(name: str | os.PathLike[str]) -> str:
    """What to do about a file that does not exist, as a clause."""
    text = str(name)
    if address := re.match(r"(https?|file):/+(?=.)", text):
        if address[1] == "file":
            return f"give its path: {unquote(text[address.end() - 1 :])}"
        return "download it first, and give the file"
    folder, typed = os.path.split(expand_user(text.strip(_NOT_OF_NAMES)).replace("\\", "/"))
    with suppress(OSError, ValueError):
        for found in sorted(os.listdir(folder or ".")):  # noqa: PTH208
            if _alike(found) == _alike(typed):
                return f"did you mean {os.path.join(folder, found)}?"  # noqa: PTH118
    return "check the path"


def _alike(name: str) -> str:
    """The same for names that look the same: Windows and macOS take them as one."""
    return unicodedata.normalize("NFC", name).casefold()


def _linked(path: str | os.PathLike[str]) -> Path:
    """The file that a link leads to, which need not exist; the path itself if it is no link."""
    named = Path(expand_user(path))
    return Path(os.path.realpath(named)) if named.is_symlink() else named


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise InputError unless the folder of the file `path` exists."""
    folder = _linked(path).parent
    if not folder.is_dir():
        raise InputError(f"{path}: there is no folder {folder}; make it first")


def refuse_existing(
    paths: Sequence[str | os.PathLike[str]], *, fix: str = "add --overwrite"
) -> None:
    """Raise InputError if one of these files exists; `fix` says how to replace or keep them."""
    found = [path for path in map(Path, map(expand_user, paths)) if path.exists()]
    if found:
        more = f" and {len(found) - 1} more results are" if len(found) > 1 else " is"
        raise InputError(f"{found[0]}{more} there already; {fix}, or choose another name")


@contextmanager
def open_atomically(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` for writing; rename it to `path` if no error occurs.

    A link stays, and the file that it leads to is replaced. The permissions of a file stay, too.

    Args:
        path: the file; `~` is the user's folder.
        durable: flush the data to the disk before the rename, and the new name after it (`fsync`).
            Then the file is whole or not there after a power cut, too.

    Raises:
        InputError: the folder is missing or not writable, or the disk is full.
    """
    path = _linked(path)
    # Shortened, because `path` may already have the longest name allowed. Random, because another
    # machine may write the same file.
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")
    try:
        try:
            with temporary.open("w+b") as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            with suppress(OSError):  # a new file, or a disk without permissions
                shutil.copymode(path, temporary)
            temporary.replace(path)
            if durable:
                _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; check the folder"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Flush a folder's names to the disk, where the system can: Windows does not open folders."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_atomically(
    path: str | os.PathLike[str], data: bytes | memoryview, *, durable: bool = False
) -> None:
    """Write `data` to a file; see `open_atomically`."""
    with open_atomically(path, durable=durable) as file:
        file.write(data)

"""Writing files atomically: a file is complete, or it is not there."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hrstyle.errors import InputError


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise InputError unless the folder of the file `path` exists."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise InputError(f"{path}: there is no folder {folder}; make it first")


@contextmanager
def open_atomically(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` for writing; rename it to `path` if no error occurs.

    Raises:
        InputError: the folder is missing or not writable, or the disk is full.
    """
    path = Path(path)
    # Shortened, because `path` may already have the longest name allowed. Random, because another
    # machine may write the same file.
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")
    try:
        try:
            with temporary.open("w+b") as file:
                yield file
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; check the folder"
        ) from error


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to a file; see `open_atomically`."""
    with open_atomically(path) as file:
        file.write(data)

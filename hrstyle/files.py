"""Writing files atomically: a file is complete, or it is not there."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from hrstyle.errors import InputError


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise InputError unless the folder of the file `path` exists."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise InputError(f"{path}: there is no folder {folder}; make it first")


@contextmanager
def open_atomically(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` for writing; rename it to `path` if no error occurs.

    Args:
        path: the file.
        durable: flush the data to the disk before the rename, and the new name after it (`fsync`).
            Then the file is whole or not there after a power cut, too.

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
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
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


def write_atomically(path: str | os.PathLike[str], data: bytes, *, durable: bool = False) -> None:
    """Write `data` to a file; see `open_atomically`."""
    with open_atomically(path, durable=durable) as file:
        file.write(data)

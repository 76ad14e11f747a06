"""The pictures that a command names: files, folders, patterns and pipes."""

import io
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import IO

from PIL import Image

from hrstyle.errors import InputError
from hrstyle.files import expand_user
from hrstyle.images.formats import describe_skipped, is_picture, pictures_in
from hrstyle.images.writing import output_format


@dataclass(frozen=True)
class Kind:
    """What is repainted into files.

    Args:
        names: its name in sentences, in the plural.
        is_one: tells by a file's name whether it is one.
        format_of: the type of result that a name's ending stands for; raises InputError for none.
        endings: the endings of results; other names are taken as a folder's.
        default: ending of a result whose own type cannot be written.
    """

    names: str
    is_one: Callable[[str], bool]
    format_of: Callable[[str | os.PathLike[str]], str]
    endings: Callable[[], Collection[str]]
    default: str


PHOTOS = Kind("photos", is_picture, output_format, Image.registered_extensions, ".png")


def expand(inputs: Sequence[str]) -> list[str]:
    """The inputs, with patterns such as `holiday/*.jpg` replaced by the files that match.

    Not every shell does that. `~` becomes the user's folder.

    Raises:
        InputError: a pattern that matches nothing.
    """
    names: list[str] = []
    for pattern in inputs:
        name = expand_user(pattern)
        found = [name]
        if has_magic(name) and not os.path.lexists(name):
            found = sorted(glob(name))  # noqa: PTH207  (Path.glob takes no absolute pattern)
            if not found:
                raise InputError(f"nothing matches {pattern}; check the folder and the pattern")
        names += found
    return names


def named_pictures(
    paths: Sequence[Path],
    out: Path,
    recursive: bool,
    tell: Callable[[str], None] | None,
    kind: Kind,
) -> Iterator[tuple[Path, Path]]:
    """Yield each photo with the path of its result relative to the output folder."""
    for path in paths:
        if not path.is_dir():
            yield path, Path(path.name)
            continue
        found, others = pictures_in(path, recursive=recursive, exclude=out, is_wanted=kind.is_one)
        if not found:
            more = "" if recursive else "; add -r to look into its folders"
            rest = f"; {describe_skipped(others)}" if others else ""
            raise InputError(
                f"{path} holds no {'pictures' if kind is PHOTOS else kind.names}{more}{rest}"
            )
        if others and tell:
            tell(f"{path}: {describe_skipped(others)}")
        yield from ((photo, photo.relative_to(path)) for photo in found)


def unpiped(photo: Path) -> Path | IO[bytes]:
    """The photo's path; or what a pipe such as /dev/stdin holds, which can be read only once."""
    return io.BytesIO(photo.read_bytes()) if photo.is_fifo() else photo

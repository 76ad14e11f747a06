"""Chooses the output file of each photo's result, so that nothing is overwritten or lost.

A folder as input stands for the pictures in it, and the output folder gets the same subfolders. A
result has its photo's name. Only its ending changes if that type cannot be written or another is
asked for: `dot.gif` becomes `dot.png` (an animated GIF may stay a GIF). If two results would then
have one name, the new ending is appended instead: `dot.gif` and `dot.png` become `dot.gif.png` and
`dot.png`.
"""

import io
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import IO, Any, NamedTuple

from PIL import Image

from hrstyle.errors import InputError
from hrstyle.files import check_folder, expand_user, refuse_existing
from hrstyle.images.animation import animation_format, is_animated
from hrstyle.images.formats import describe_skipped, is_picture, pictures_in
from hrstyle.images.writing import output_format


class Job(NamedTuple):
    """A picture to repaint: its path or open file, and its result's file.

    `animated` says that the result is an animation, too.
    """

    source: Path | IO[bytes]
    target: Path
    animated: bool = False


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


def plan_outputs(
    inputs: Sequence[str],
    output: str,
    *,
    recursive: bool = False,
    file_format: str | None = None,
    existing: str = "refuse",
    protected: Sequence[str] = (),
    animated: bool = False,
    label: str = "",
    tell: Callable[[str], None] | None = None,
    kind: Kind = PHOTOS,
) -> list[Job]:
    """A job for each photo, with the file for its result. Missing output folders are made.

    In all names, `~` is the user's folder.

    Args:
        inputs: photos, and folders of photos. In a folder, hidden files and files that are not
            pictures by their ending are skipped.
        output: a file for a single photo, or a folder.
        recursive: also search the folders in a folder.
        file_format: format of the results, such as `"png"`; None takes that of the output's name,
            or in a folder that of each photo.
        existing: what to do if a result's file already exists: `"refuse"` with an error,
            `"overwrite"` it, or `"skip"` its photo.
        protected: names of other files that no result may overwrite; they need not exist.
        animated: animations become animations; otherwise all results are still pictures.
        label: a word that is appended to each result's name, as in `cat-label.png`; the output is
            then a folder, even for a single photo.
        tell: called with a sentence about each folder in which files were skipped.
        kind: what is repainted, if not photos.

    Raises:
        InputError: several photos for one file; two results of one name; a result that would
            overwrite a photo, a protected file or (with `"refuse"`) an existing file; an ending
            that cannot be written; a folder without pictures.
    """
    ending = None if file_format is None else ending_of(file_format)
    out, paths = Path(expand_user(output)), [Path(expand_user(name)) for name in inputs]
    photos = list(_photos(paths, out, recursive, tell, kind))
    sources = [unpiped(photo) if kind is PHOTOS else photo for photo, _ in photos]
    moving = [animated and is_animated(source) for source in sources]
    formats = [animation_format if moves else kind.format_of for moves in moving]
    is_folder = out.is_dir() or output.endswith(("/", os.sep))
    if len(paths) == 1 and not is_folder and not paths[0].is_dir() and not label:
        own = formats[0](out)
        if ending and own != formats[0](f"x{ending}"):
            raise InputError(f"{out} is no {file_format} file; end its name in {ending}")
        check_folder(out)
        targets = [out]
    else:
        if out.suffix.lower() in kind.endings() and not is_folder:
            raise InputError(f"several results need a folder, not the single file {out}")
        places = [place for _, place in photos]
        names = _names(places, formats, ending, kind.default)
        if label:
            names = [name.with_name(f"{name.stem}-{label}{name.suffix}") for name in names]
        targets = [out / name for name in names]
    used = [*(photo for photo, _ in photos), *(Path(expand_user(x)) for x in protected if x)]
    _check(targets, used, kind.names)
    if existing == "refuse":
        fix = "add --overwrite" + (" or --skip-existing" if len(targets) > 1 or label else "")
        refuse_existing(targets, fix=fix)
    jobs = [
        Job(source, target, moves)
        for source, target, moves in zip(sources, targets, moving, strict=True)
        if not (existing == "skip" and target.exists())
    ]
    for folder in sorted({job.target.parent for job in jobs}):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    return jobs


def plan_output(photo: str, output: str, **how: Any) -> Job:
    """`plan_outputs` for a command that takes a single photo.

    Raises:
        InputError: see `plan_outputs`; or a folder of photos.
    """
    if Path(expand_user(photo)).is_dir():
        raise InputError(f"{photo} is a folder; name a picture in it")
    [job] = plan_outputs([photo], output, **how)
    return job


def ending_of(file_format: str) -> str:
    """The file ending of a format: `"png"` -> `".png"`.

    Raises:
        InputError: a format that cannot be written.
    """
    ending = f".{file_format.lower()}"
    if Image.registered_extensions().get(ending) != "GIF":  # animations can be GIF
        try:
            output_format(f"x{ending}")
        except InputError as error:
            raise InputError(
                f"format {file_format!r} cannot be written; take png, jpeg, webp, avif or tiff"
            ) from error
    return ending


def _photos(
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


def _names(
    photos: Sequence[Path],
    formats: Sequence[Callable[[str], str]],
    ending: str | None,
    default: str,
) -> list[Path]:
    """The results' paths relative to the output folder."""
    names = [_name(*each, ending, default) for each in zip(photos, formats, strict=True)]
    counts = _counts(names)
    return [
        photo.with_name(photo.name + name.suffix)
        if counts[_key(name)] > 1 and name != photo
        else name
        for photo, name in zip(photos, names, strict=True)
    ]


def _name(photo: Path, format_of: Callable[[str], str], ending: str | None, default: str) -> Path:
    """The photo's path, with another ending if the result has another format."""
    wanted = None if ending is None else format_of(f"{photo.stem}{ending}")
    try:
        own = format_of(photo.name)
    except InputError:
        return photo.with_suffix(ending or default)
    return photo if wanted in (None, own) else photo.with_suffix(str(ending))


def _check(targets: Sequence[Path], used: Sequence[Path], names: str) -> None:
    """Raise InputError if two results would be one file, or one would overwrite a used file."""
    inodes = {_inode(path) for path in used if path.is_file()}
    counts = _counts(targets)
    for target in targets:
        if counts[_key(target)] > 1:
            raise InputError(
                f"two {names} would become {target}; repaint them one by one, or the folder that"
                " they are in with -r"
            )
        if target.exists() and _inode(target) in inodes:
            raise InputError(f"{target} is one of the input files; choose another name")


def _counts(paths: Sequence[Path]) -> Counter[str]:
    return Counter(map(_key, paths))


def _key(path: Path) -> str:
    return str(path).casefold()  # some file systems ignore case


def _inode(path: Path) -> tuple[int, int]:
    """Device and inode number, which are the same for all names of one file."""
    status = path.stat()
    return status.st_dev, status.st_ino

"""Chooses the output file of each photo's result, so that nothing is overwritten or lost.

A folder as input stands for the pictures in it, and the output folder gets the same subfolders. A
result has its photo's name. Only its ending changes if that type cannot be written or another is
asked for: `dot.gif` becomes `dot.png` (an animated GIF may stay a GIF). If two results would then
have one name, the new ending is appended instead: `dot.gif` and `dot.png` become `dot.gif.png` and
`dot.png`.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from hrstyle.errors import InputError
from hrstyle.files import check_folder, expand_user, refuse_existing
from hrstyle.images.animation import FORMATS, animation_format, is_animated
from hrstyle.images.formats import format_name
from hrstyle.images.inputs import PHOTOS, Kind, named_pictures, unpiped
from hrstyle.images.writing import output_format


class Job(NamedTuple):
    """A picture to repaint: its path or open file, and its result's file.

    `animated` says that the result is an animation, too.
    """

    source: Path | IO[bytes]
    target: Path
    animated: bool = False


def plan_outputs(inputs: Sequence[str], output: str, **how: Any) -> list[Job]:
    """`plan_labelled` for one result of each photo, without a label."""
    [jobs] = plan_labelled(inputs, output, **how)
    return jobs


def plan_labelled(
    inputs: Sequence[str],
    output: str,
    labels: Sequence[str] = ("",),
    *,
    recursive: bool = False,
    file_format: str | None = None,
    existing: str = "refuse",
    protected: Sequence[str] = (),
    animated: bool = False,
    piped: IO[bytes] | None = None,
    tell: Callable[[str], None] | None = None,
    kind: Kind = PHOTOS,
) -> list[list[Job]]:
    """For each label a job for each photo, with the file for its result.

    Missing output folders are made. In all names, `~` is the user's folder.

    Args:
        inputs: photos, and folders of photos. In a folder, hidden files and files that are not
            pictures by their ending are skipped.
        output: a file for a single photo, or a folder.
        labels: words that are appended to the results' names, as in `cat-label.png`; the output is
            then a folder, even for a single photo. "" appends nothing.
        recursive: also search the folders in a folder.
        file_format: format of the results, such as `"png"`; None takes that of the output's name,
            or in a folder that of each photo.
        existing: what to do if a result's file already exists: `"refuse"` with an error,
            `"overwrite"` it, or `"skip"` its photo.
        protected: names of other files that no result may overwrite; they need not exist.
        animated: animations become animations; otherwise all results are still pictures.
        piped: what was read in place of the only input, such as standard input.
        tell: called with a sentence about each folder in which files were skipped.
        kind: what is repainted, if not photos.

    Raises:
        InputError: several photos for one file; two results of one name; a result that would
            overwrite a photo, a protected file or (with `"refuse"`) an existing file; an ending
            that cannot be written; a folder without pictures.
    """
    ending = None if file_format is None else ending_of(file_format)
    out, paths = Path(expand_user(output)), [Path(expand_user(name)) for name in inputs]
    photos = list(named_pictures(paths, out, recursive, tell, kind))
    sources = [piped or (unpiped(photo) if kind is PHOTOS else photo) for photo, _ in photos]
    moving = [animated and is_animated(source) for source in sources]
    is_folder = out.is_dir() or output.endswith(("/", os.sep))
    is_single = len(paths) == 1 and not is_folder and not paths[0].is_dir() and not any(labels)
    if ending and not is_single and any(moving) and format_name(f"x{ending}") not in FORMATS:
        if tell:
            tell(f"{sum(moving)} of the pictures move; {file_format} can only hold them as stills")
        moving = [False] * len(moving)
    formats = [animation_format if moves else kind.format_of for moves in moving]
    if is_single:
        if not out.suffix:
            raise InputError(f"{out} has no ending; use {kind.default}, or {out}/ for a folder")
        own = formats[0](out)
        if ending and own != formats[0](f"x{ending}"):
            raise InputError(f"{out} is no {file_format} file; end its name in {ending}")
        check_folder(out)
        targets = [[out]]
    else:
        if out.suffix.lower() in kind.endings() and not is_folder:
            raise InputError(f"several results need a folder, not the single file {out}")
        places = [place for _, place in photos]
        _refuse_twice([photo for photo, _ in photos])
        names = _names(places, formats, ending, kind.default)
        names = _numbered(names, [photo.parent for photo, _ in photos])
        targets = [[out / _labelled(name, label) for name in names] for label in labels]
    used = [*(photo for photo, _ in photos), *(Path(expand_user(x)) for x in protected if x)]
    every = [target for group in targets for target in group]
    _check(every, used, kind.names)
    if existing == "refuse":
        fix = "add --overwrite" + (" or --skip-existing" if len(every) > 1 or any(labels) else "")
        refuse_existing(every, fix=fix)
    jobs = [
        [
            Job(source, target, moves)
            for source, target, moves in zip(sources, group, moving, strict=True)
            if not (existing == "skip" and target.exists())
        ]
        for group in targets
    ]
    for folder in sorted({job.target.parent for group in jobs for job in group}):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    return jobs


def _labelled(name: Path, label: str) -> Path:
    return name.with_name(f"{name.stem}-{label}{name.suffix}") if label else name


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
    if format_name(f"x{ending}") != "GIF":  # animations can be GIF
        try:
            output_format(f"x{ending}")
        except InputError as error:
            raise InputError(
                f"format {file_format!r} cannot be written; take png, jpeg, webp, avif or tiff"
            ) from error
    return ending


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


def _refuse_twice(photos: Sequence[Path]) -> None:
    for photo, count in Counter(photos).items():
        if count > 1:
            raise InputError(f"{photo} is given {count} times; give it once")


def _numbered(names: Sequence[Path], folders: Sequence[Path]) -> list[Path]:
    """The names, with a number in the later ones of those that are the same in one folder.

    So `IMG.JPG` and `IMG.jpg` become `IMG.JPG` and `IMG-2.jpg`.
    """
    taken, seen, numbered = set(map(_key, names)), set[tuple[Path, str]](), []
    for name, folder in zip(names, folders, strict=True):
        new, number = name, 2
        while (folder, _key(name)) in seen and _key(new) in taken:
            new, number = name.with_name(f"{name.stem}-{number}{name.suffix}"), number + 1
        taken.add(_key(new))
        seen.add((folder, _key(name)))
        numbered.append(new)
    return numbered


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

"""Which photo's result goes to which file, so that nothing is overwritten or lost."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hrstyle.errors import InputError
from hrstyle.images import output_format


def plan_outputs(
    inputs: Sequence[str], output: str, *, keep: Sequence[str] = ()
) -> list[tuple[Path, Path]]:
    """Which photo goes to which file; a missing folder is made.

    Args:
        inputs: the photos.
        output: a file for a single one, or a folder.
        keep: names of other files that no result may overwrite; they need not exist.

    Raises:
        InputError: several photos for one file; two results of one name; a result that would
            overwrite a photo or what is to be kept; an ending that cannot be written.
    """
    photos, out = [Path(name) for name in inputs], Path(output)
    for photo in photos:
        if photo.is_dir():
            raise InputError(f"{photo} is a folder; name its pictures, such as {photo}/*.jpg")
    is_folder = out.is_dir() or output.endswith(("/", os.sep))
    if len(photos) == 1 and not is_folder:
        targets = [out]
    else:
        if out.suffix and not is_folder:
            raise InputError(f"{len(photos)} photos need a folder, not the single file {out}")
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {out}: {error.strerror}") from error
        targets = [out / _writable_name(photo) for photo in photos]
    used = [*photos, *(Path(name) for name in keep if name)]
    inodes = {_inode(path) for path in used if path.is_file()}
    names = Counter(str(target).casefold() for target in targets)  # some disks ignore case
    for target in targets:
        output_format(target)
        if names[str(target).casefold()] > 1:
            raise InputError(f"two photos would become {target}; repaint them one by one")
        if target.exists() and _inode(target) in inodes:
            raise InputError(f"{target} is what is to be painted from; choose another name")
    return list(zip(photos, targets, strict=True))


def _inode(path: Path) -> tuple[int, int]:
    """What two names of one file have in common."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _writable_name(photo: Path) -> str:
    """The photo's name, ending in .png where its own type is not one to write."""
    try:
        output_format(photo.name)
    except InputError:
        return photo.with_suffix(".png").name
    return photo.name

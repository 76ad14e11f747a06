"""The files of trained networks: the bundled ones, and your own."""

import os
from pathlib import Path

from hrstyle.errors import InputError
from hrstyle.files import fix_missing
from hrstyle.images.formats import is_picture
from hrstyle.styles.pictures import is_address

WEIGHTS = Path(__file__).parent / "weights"

FORMAT = "hrstyle 1"
"""`format` in the metadata of the .safetensors files of weights."""
BASE = "base"
"""Name of the network from which the training of all bundled styles started; not a style."""
ENDING = ".safetensors"


def list_styles() -> list[str]:
    """The names of the bundled styles, whose trained weights are in the package."""
    return sorted(path.stem for path in WEIGHTS.glob(f"*{ENDING}") if path.stem != BASE)


def weights_path(name: str) -> Path:
    """The weights file of a bundled style, or of `BASE`.

    Raises:
        InputError: no such style; the message lists the names.
    """
    if name not in [*list_styles(), BASE]:
        raise InputError(
            f"no style or file named {name!r}; the styles are {', '.join(list_styles())}, or give"
            " the path of a trained .safetensors or .ckpt file"
        )
    return WEIGHTS / f"{name}{ENDING}"


def weights_file(source: str | os.PathLike[str]) -> Path:
    """The file of trained weights for a path, for a bundled style's name, or for `BASE`.

    Raises:
        InputError: no such style or file; a picture, or a folder.
    """
    if source == BASE:
        return weights_path(BASE)
    try:
        path = Path(source).expanduser()
        found, is_folder = path.is_file(), path.is_dir()
    except (RuntimeError, OSError, TypeError) as error:  # unknown ~user, long name, not a path
        raise InputError(f"no weights at {source}: {error}") from error
    if is_address(str(source)) or (found and is_picture(path)):
        raise InputError(
            f"{source} is no file of trained weights; to paint like that picture, train it with"
            f" `hrstyle train style.image={source}`, or do without training by `hrstyle optimize"
            f" PHOTO -o OUT --style {source}`"
        )
    if found:
        return path
    is_name = isinstance(source, str) and not path.suffix and path.name == source
    if is_folder and not (is_name and source in list_styles()):
        inside = sorted(map(str, path.glob(f"*{ENDING}")))
        fix = (
            f"give the file in it: {' or '.join(inside)}"
            if inside
            else f"it holds no {ENDING} file"
        )
        raise InputError(f"{source} is a folder; {fix}")
    if is_name:
        return weights_path(str(source))
    raise InputError(f"no weights at {source}; {fix_missing(source)}")

"""What the commands have in common: options, and how they are read."""

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from hrstyle.errors import InputError
from hrstyle.options import StylizeOptions, explanation

STYLE = (
    "a style that comes along (see hrstyle styles), or a trained .safetensors or .ckpt file; or"
    " several with their shares: starry_night:0.5,great_wave:0.5"
)
"""Help for where a trained style is asked for."""
DEVICE = "cpu, cuda, cuda:1, mps; without it, the best one there is"
DTYPE = (
    "float32 (without it), or bfloat16 or float16: faster where the hardware has them, a few of 255"
    " off"
)
ENGINE = "torch or openvino; without it, OpenVINO on a CPU where it is installed"


def parse_style(text: str) -> str | dict[str, float]:
    """What stands after --style: a name or file, or several as `NAME:SHARE,NAME:SHARE`.

    Raises:
        InputError: several, and one has no share or comes twice.
    """
    parts = [part.strip().rpartition(":") for part in text.split(",")]
    shared = [bool(name) and _is_number(share) for name, _, share in parts]
    if _is_file(text) or not any(shared):
        return text
    if all(shared):
        shares = {name: float(share) for name, _, share in parts}
        if len(shares) < len(parts):
            raise InputError(f"--style {text}: a style is named twice")
        return shares
    raise InputError(f"--style {text}: each needs a share: starry_night:0.5,great_wave:0.5")


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long, or no name at all
        return False


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def explicit_options(arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The options that were given; the others keep their defaults, which are Python's."""
    values = vars(arguments)
    return {name: values[name] for name in names if values[name] is not None}


def add_existing(command: argparse.ArgumentParser, *, skip: bool = False) -> None:
    """Add the options that say what to do about results that are there already."""
    group = command.add_mutually_exclusive_group()
    group.add_argument("--overwrite", action="store_true", help="replace results that are there")
    if skip:
        group.add_argument("--skip-existing", action="store_true",
            help="leave photos out whose results are there")  # fmt: skip


def existing(arguments: argparse.Namespace) -> str:
    """What `add_existing`'s options say, as `plan_outputs` takes it."""
    if arguments.overwrite:
        return "overwrite"
    return "skip" if getattr(arguments, "skip_existing", False) else "refuse"


def add_stylize_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `StylizeOptions`, each with what its docstring says of it."""

    def add(flag: str, **settings: Any) -> None:
        text = explanation(flag[2:].replace("-", "_")).replace("%", "%%")
        command.add_argument(flag, help=text, **settings)

    add("--strength", type=float, metavar="0...1")
    add("--stroke-size", type=float, metavar="TIMES")
    add("--brush", action=argparse.BooleanOptionalAction)
    add_colours(command)
    add("--mask", metavar="MASK")
    add("--size", type=int, metavar="PX")
    add("--max-memory", metavar="SIZE")


def stylize_options(arguments: argparse.Namespace) -> StylizeOptions:
    """What was given of `add_stylize_options`'s options.

    Raises:
        InputError: an impossible value.
    """
    return StylizeOptions(
        **explicit_options(arguments, *(field.name for field in fields(StylizeOptions)))
    )


def add_colours(command: argparse.ArgumentParser) -> None:
    """Add the options that say whose colours a result has."""
    group = command.add_mutually_exclusive_group()
    group.add_argument("--colours", "--colors", dest="keep_colours", type=float, metavar="0...1",
        help=explanation("keep_colours"))  # fmt: skip
    group.add_argument("--keep-colours", "--keep-colors", dest="keep_colours",
        action="store_const", const=1.0, help="the same as --colours 1")  # fmt: skip


def add_saving(command: argparse.ArgumentParser) -> None:
    """Add the options of how a picture is saved."""
    command.add_argument(
        "--quality", type=int, metavar="1...100", help="of JPEG, WebP and AVIF (95)"
    )
    command.add_argument(
        "--strip",
        action="store_true",
        help="leave out what the photo's file says: camera, place, colour profile",
    )


def add_json(command: argparse.ArgumentParser) -> None:
    """Add the option that makes `report` write JSON."""
    command.add_argument(
        "--json", action="store_true", help="say what was done as JSON, an object a line"
    )


def report(arguments: argparse.Namespace, line: str, **fields: Any) -> None:
    """Print a line about what was done, or, with `--json`, an object of its facts.

    A progress bar stays below.
    """
    from tqdm import tqdm

    with tqdm.external_write_mode():
        print(json.dumps(fields) if arguments.json else line, flush=True)

"""Options that several commands share, and functions that read them."""

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from hrstyle.engine.options import StylizeOptions, explanation
from hrstyle.errors import InputError, sentence_of

STYLE = (
    "a bundled style (see hrstyle styles), or a trained .safetensors or .ckpt file; or several with"
    " their shares: starry_night:0.5,great_wave:0.5"
)
"""Help of options that take a trained style."""
DEVICE = "cpu, cuda, cuda:1 or mps (default: the best one available)"
DTYPE = (
    "float32 (the default); bfloat16 or float16 are faster on hardware that supports them, and off"
    " by a few of 255"
)
ENGINE = "torch or openvino (default: OpenVINO on a CPU if it is installed)"


def parse_style(text: str) -> str | dict[str, float]:
    """Parse --style: a name or file, or several as `NAME:SHARE,NAME:SHARE`.

    Returns:
        The text itself, or the shares by name.

    Raises:
        InputError: one of several has no share or is named twice.
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
    """The options that the user gave; the others keep the defaults of the Python function."""
    values = vars(arguments)
    return {name: values[name] for name in names if values[name] is not None}


def add_existing(command: argparse.ArgumentParser, *, skip: bool = False) -> None:
    """Add the options for results that exist already."""
    group = command.add_mutually_exclusive_group()
    group.add_argument("--overwrite", action="store_true", help="replace results that exist")
    if skip:
        group.add_argument("--skip-existing", action="store_true",
            help="skip photos whose results exist")  # fmt: skip


def existing(arguments: argparse.Namespace) -> str:
    """The options of `add_existing` as the argument `existing` of `plan_outputs`."""
    if arguments.overwrite:
        return "overwrite"
    return "skip" if getattr(arguments, "skip_existing", False) else "refuse"


def add_stylize_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `StylizeOptions`; their help is from its docstring."""

    def add(flag: str, **settings: Any) -> None:
        command.add_argument(flag, help=_help(flag[2:].replace("-", "_")), **settings)

    add("--strength", type=float, metavar="0...1")
    add("--stroke-size", type=float, metavar="TIMES")
    add("--brush", action=argparse.BooleanOptionalAction)
    add_colours(command)
    add("--mask", metavar="MASK")
    add("--size", type=int, metavar="PX")
    add("--max-memory", metavar="SIZE")


def _help(name: str) -> str:
    """The help of an option of `StylizeOptions`; argparse replaces a single `%`."""
    return explanation(name).replace("%", "%%")


def stylize_options(arguments: argparse.Namespace) -> StylizeOptions:
    """The options of `add_stylize_options` that the user gave.

    Raises:
        InputError: an impossible value.
    """
    return StylizeOptions(
        **explicit_options(arguments, *(field.name for field in fields(StylizeOptions)))
    )


def add_colours(command: argparse.ArgumentParser) -> None:
    """Add the options that keep the photo's colours."""
    group = command.add_mutually_exclusive_group()
    group.add_argument("--colours", "--colors", dest="keep_colours", type=float, metavar="0...1",
        help=_help("keep_colours"))  # fmt: skip
    group.add_argument("--keep-colours", "--keep-colors", dest="keep_colours",
        action="store_const", const=1.0, help="the same as --colours 1")  # fmt: skip


def add_saving(command: argparse.ArgumentParser) -> None:
    """Add the options for saving a picture."""
    command.add_argument(
        "--quality", type=int, metavar="1...100", help="quality of JPEG, WebP and AVIF (95)"
    )
    command.add_argument(
        "--strip",
        action="store_true",
        help="leave out the photo's metadata: camera, place, colour profile",
    )


def add_json(command: argparse.ArgumentParser) -> None:
    """Add the option that makes `report` write JSON."""
    command.add_argument(
        "--json", action="store_true", help="print the results as JSON, one object per line"
    )


def named(error: Exception, source: object) -> str:
    """The error's sentence, with the picture's name before it if it lacks the name."""
    # In an error, names are escaped.
    name, sentence = str(InputError(str(source))), sentence_of(error)
    return sentence if name in sentence else f"{name}: {sentence}"


def report(arguments: argparse.Namespace, line: str, **fields: Any) -> None:
    """Print a line about a result, or, with `--json`, its fields as a JSON object.

    A progress bar stays below the output.
    """
    from tqdm import tqdm

    with tqdm.external_write_mode():
        print(json.dumps(fields) if arguments.json else line, flush=True)

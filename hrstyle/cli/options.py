"""Options that several commands share, and functions that read them."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NoReturn

from hrstyle.engine.options import StylizeOptions, explanation
from hrstyle.errors import InputError, NonFiniteError, sentence_of

STYLE = (
    "a bundled style (see hrstyle styles), or a trained .safetensors or .ckpt file; or several with"
    " their shares: starry_night:0.5,great_wave:0.5"
)
"""Help of options that take a trained style."""
ALL = "all"
"""Stands for all bundled styles as the --style of stylize."""
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
    from hrstyle.styles.pictures import existing_file, is_address

    parts = [_name_and_share(part.strip()) for part in text.split(",")]
    is_single = len(parts) == 1 and parts[0][1] is None
    if is_single or existing_file(text) or is_address(text):
        return text
    shares = {name: share for name, share in parts if share is not None}
    if any(share is None for _, share in parts):
        example = _equal([name for name, _ in parts])
        raise InputError(f"--style {text} is no file; several styles need shares: {example}")
    if len(shares) < len(parts):
        raise InputError(f"--style {text}: a style is named twice")
    return shares


def _name_and_share(text: str) -> tuple[str, float | None]:
    name, _, share = text.rpartition(":")
    try:
        return (name, float(share)) if name else (text, None)
    except ValueError:
        return text, None


def _names(text: str) -> list[str]:
    """The names of the styles in a --style."""
    style = parse_style(text)
    return [style] if isinstance(style, str) else list(style)


def _equal(names: Sequence[str]) -> str:
    """Equal shares of styles, as an example."""
    return ",".join(f"{name}:{1 / len(names):.2g}" for name in names)


class _Once(argparse.Action):
    """Stores an option's value, and refuses a second one."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *found: Any
    ) -> None:
        before = getattr(namespace, self.dest)
        if before is not None:
            names = dict.fromkeys([*_names(before), *_names(found[0])])
            example = "" if ALL in names or len(names) == 1 else f": --style {_equal(list(names))}"
            parser.error(f"--style is given twice; for a mixture, give one{example}")
        setattr(namespace, self.dest, found[0])


def add_style(command: argparse.ArgumentParser, *, metavar: str = "NAME|FILE", help: str) -> None:
    """Add the option for the style, see `parse_style`."""
    command.add_argument("--style", action=_Once, metavar=metavar, required=True, help=help)


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
            help="skip what has a result already")  # fmt: skip


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


def end_by(error: Exception, source: object) -> NoReturn:
    """End the command by the error of its only picture.

    Raises:
        InputError: the error's sentence.
        NonFiniteError: the error itself.
    """
    if isinstance(error, InputError | NonFiniteError):
        raise error
    raise InputError(named(error, source)) from error


def report(arguments: argparse.Namespace, line: str, **fields: Any) -> None:
    """Print a line about a result, or, with `--json`, its fields as a JSON object.

    A progress bar stays below the output.
    """
    from tqdm import tqdm

    with tqdm.external_write_mode():
        print(json.dumps(fields) if arguments.json else line, flush=True)

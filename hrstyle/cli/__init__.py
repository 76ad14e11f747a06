"""The command `hrstyle`. Each command is a module with `add` (grammar and help) and `run`.

Importing torch takes over a second, and --help should not wait for it. So each command imports what
it needs in `run`. `options` has the options that commands share, `batch` repaints files one after
the other, `quick` repaints without PyTorch, and `programs` starts the Hydra programs.
"""

import argparse
import os
import sys
import textwrap
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NoReturn

from hrstyle import __version__
from hrstyle.cli import completion, export, optimize, programs, serve, styles, stylize, video
from hrstyle.errors import INTERRUPTED, InputError, NonFiniteError
from hrstyle.terminal import (
    ended_tidily,
    escape_unprintable,
    open_missing_streams,
    refuse_long_dashes,
)

_EPILOG = """\
examples:
  hrstyle stylize cat.jpg -o painted.png --style starry_night
  hrstyle stylize cat.jpg -o painted.png --style runs/my_painting/my_painting.safetensors
  hrstyle stylize holiday/ -r -o painted/ --style starry_night
  hrstyle stylize cat.jpg -o painted.png --style starry_night --strength 0.7
  hrstyle stylize cat.jpg -o painted.png --style starry_night:0.5,great_wave:0.5
  hrstyle video clip.mp4 -o painted.mp4 --style starry_night
  hrstyle optimize cat.jpg -o painted.png --style my_painting.jpg
  hrstyle export starry_night starry_night.onnx
  hrstyle styles
  hrstyle serve

train your own style, then use the file of weights that it writes:
  hrstyle train style.image=my_painting.jpg
  hrstyle train --help
"""


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors, and those of its commands, are single sentences."""

    def __init__(self, *, description: str, **settings: Any):
        # RawDescriptionHelpFormatter keeps the examples' lines, but does not wrap descriptions.
        super().__init__(description=textwrap.fill(description, 80), **settings)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"hrstyle: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """The command line's grammar and help."""
    parser = _Parser(
        prog="hrstyle",
        description="Repaint photos in the style of a painting: in one forward pass, or, without"
        " training, by optimising the picture itself.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(parser=parser)  # for `hrstyle completion`
    parser.add_argument("--version", action="version", version=f"hrstyle {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (stylize, video, optimize, programs, export, styles, serve, completion):
        command.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; bad input gives one sentence and exit code 2."""
    open_missing_streams()
    escape_unprintable()
    try:
        refuse_long_dashes(sys.argv[1:] if argv is None else argv)
        arguments = build_parser().parse_args(argv)
        # In training and hrstyle.repaint, Lightning handles these signals.
        is_program = arguments.command in programs.PROGRAMS
        with nullcontext() if is_program else ended_tidily():
            arguments.run(arguments)
    except InputError as error:
        print(f"hrstyle: {error}", file=sys.stderr)
        sys.exit(2)
    except NonFiniteError as error:
        sys.exit(f"hrstyle: {error}")  # exit code 1: the input was fine
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has ended, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end
        sys.exit(1)
    except OSError as error:  # a name that is too long, a folder that is not readable
        print(f"hrstyle: {InputError(str(error))}", file=sys.stderr)
        sys.exit(2)

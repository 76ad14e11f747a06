"""The command `hrstyle`: one module a command, each with `add` (its grammar and help) and `run`.

torch takes over a second to import; --help and a misspelt option need not wait for it. So the
commands import what they need when they run.
"""

import argparse
import os
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, NoReturn

from hrstyle import __version__
from hrstyle.cli import completion, export, optimize, programs, serve, styles, stylize, video
from hrstyle.errors import InputError, NonFiniteError

_EPILOG = """\
examples:
  hrstyle stylize cat.jpg -o painted.png --style starry_night
  hrstyle stylize cat.jpg -o painted.png --style runs/my_painting/my_painting.safetensors
  hrstyle stylize holiday/ -r -o painted/ --style starry_night
  hrstyle stylize cat.jpg -o painted.png --style starry_night --strength 0.7
  hrstyle stylize cat.jpg -o painted.png --style starry_night:0.5,great_wave:0.5
  hrstyle video clip.mp4 painted.mp4 --style starry_night
  hrstyle optimize cat.jpg -o painted.png --style my_painting.jpg
  hrstyle export starry_night starry_night.onnx
  hrstyle styles
  hrstyle serve

train a style of your own, then use the file it writes:
  hrstyle train style.image=my_painting.jpg
  hrstyle train --help
"""


class _Parser(argparse.ArgumentParser):
    """One that complains in one sentence; so do its commands."""

    def __init__(self, *, description: str, **settings: Any):
        # The formatter that keeps the lines of the examples does not break these.
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
    parser.set_defaults(parser=parser)  # which completion describes
    parser.add_argument("--version", action="version", version=f"hrstyle {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (stylize, video, optimize, programs, export, styles, serve, completion):
        command.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; bad input gives one sentence and exit code 2."""
    arguments = build_parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except InputError as error:
        print(f"hrstyle: {error}", file=sys.stderr)
        sys.exit(2)
    except NonFiniteError as error:
        sys.exit(f"hrstyle: {error}")  # exit code 1: the input was fine
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # who reads our output has heard enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end
        sys.exit(1)
    except OSError as error:  # a name that is too long, a folder that is not readable
        print(f"hrstyle: {InputError(str(error))}", file=sys.stderr)
        sys.exit(2)

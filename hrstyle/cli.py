"""The command `hrstyle`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hrstyle import __version__
from hrstyle.errors import InputError

_EPILOG = """\
examples:
  hrstyle stylize cat.jpg -o painted.png --style starry_night
  hrstyle stylize cat.jpg -o painted.png --style runs/my_painting/my_painting.safetensors

train a style of your own, then use the file it writes:
  python -m hrstyle.train style.image=my_painting.jpg
  python -m hrstyle.train --help
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line's grammar and help."""
    parser = argparse.ArgumentParser(
        prog="hrstyle",
        description="Repaint photos in the style of a painting, in one forward pass.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hrstyle {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    stylize = commands.add_parser(
        "stylize",
        help="repaint a photo",
        description="Repaint a photo. The result has the photo's size.",
    )
    stylize.add_argument("input", metavar="IN", help="the photo, of any size and usual type")
    stylize.add_argument(
        "-o", "--output", metavar="OUT", required=True, help="the result; .png, .jpg, .webp …"
    )
    stylize.add_argument(
        "--style",
        metavar="NAME|FILE",
        required=True,
        help="a style that comes along (starry_night), or a trained .safetensors or .ckpt file",
    )
    stylize.add_argument(
        "--device", help="cpu, cuda, cuda:1, mps; without it, the best one there is"
    )
    stylize.set_defaults(run=run_stylize)
    return parser


def run_stylize(arguments: argparse.Namespace) -> None:
    """`hrstyle stylize`."""
    # torch takes over a second to import; --help and a misspelt option need not wait for it.
    from hrstyle.images import output_format, save_image
    from hrstyle.inference import load

    output_format(arguments.output)  # complain before the work, not after it
    source, target = Path(arguments.input), Path(arguments.output)
    if source.exists() and target.exists() and target.samefile(source):
        raise InputError(f"{target} is the photo itself; give the result another name")
    result = load(arguments.style, device=arguments.device).stylize(arguments.input)
    save_image(result, arguments.output)
    print(f"{arguments.output}: {result.width}x{result.height}")


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; bad input gives one sentence and exit code 2."""
    arguments = build_parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except InputError as error:
        print(f"hrstyle: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)

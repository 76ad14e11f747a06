"""`hrstyle export`: write a style as an ONNX file."""

import argparse
from typing import Any

from hrstyle.cli.options import STYLE, add_existing, add_json, explicit_options, parse_style, report
from hrstyle.files import expand_user, refuse_existing

_EPILOG = """\
examples:
  hrstyle export starry_night starry_night.onnx
  hrstyle export starry_night:0.5,great_wave:0.5 mixture.onnx --dtype float16

The model's input is RGB in [0, 1], NCHW, of any size. The model is the network alone: what
hrstyle stylize gives with --stroke-size 1 --no-brush. It needs: pip install 'hrstyle[export]'
"""


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    export = commands.add_parser(
        "export",
        help="write a style as an ONNX file",
        description="Write a style as an ONNX file for other programs and the browser, and compare"
        " it with PyTorch.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    export.add_argument("style", metavar="NAME|FILE", help=STYLE)
    export.add_argument("output", metavar="OUT.onnx", help="the file to write")
    export.add_argument("--dtype", help="float32 (the default), or float16 for half the file size")
    add_existing(export)
    add_json(export)
    export.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Export the style, and compare the file with PyTorch."""
    output = expand_user(arguments.output)
    if not arguments.overwrite:
        refuse_existing([output])
    from hrstyle.engine.exporting import CHECK_SIZES, export

    error = export(parse_style(arguments.style), output, **explicit_options(arguments, "dtype"))
    sizes = ", ".join(f"{width}x{height}" for height, width in CHECK_SIZES)
    line = f"{output}: at most {error:.4f} of 255 from PyTorch ({sizes} px)"
    described = {"style": arguments.style, "output": output}
    report(arguments, line, **described, largest_difference_of_255=error)

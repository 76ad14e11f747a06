"""`hrstyle export`."""

import argparse
from typing import Any

from hrstyle.cli.options import STYLE, given, parse_style


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    export = commands.add_parser(
        "export",
        help="write a style as an ONNX file",
        description="Write a style as an ONNX file for other programs and the browser, and compare"
        " it with PyTorch. It takes pictures of any size.",
    )
    export.add_argument("style", metavar="NAME|FILE", help=STYLE)
    export.add_argument("output", metavar="OUT.onnx", help="the file to write")
    export.add_argument("--dtype", help="float32 (without it), or float16 for half the size")
    export.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the file, once it agrees with PyTorch."""
    from hrstyle.export import CHECK_SIZES, export

    error = export(parse_style(arguments.style), arguments.output, **given(arguments, "dtype"))
    sizes = ", ".join(f"{width}x{height}" for height, width in CHECK_SIZES)
    print(f"{arguments.output}: at most {error:.4f} of 255 from PyTorch ({sizes} px)")

"""`hrstyle export`: write a style as an ONNX file."""

import argparse
from pathlib import Path
from typing import Any

from hrstyle.cli.options import STYLE, add_existing, add_json, explicit_options, parse_style, report
from hrstyle.files import expand_user, refuse_existing

_EPILOG = """\
examples:
  hrstyle export starry_night starry_night.onnx
  hrstyle export starry_night:0.5,great_wave:0.5 mixture.onnx --half
  hrstyle export great_wave models/ --size 512 768       # for TensorRT and WebNN

The model's input is RGB in [0, 1], NCHW, of any size, or of the one that --size gives. It needs:
pip install 'hrstyle[export]'
"""
_DIFFERENCE = (
    "it is the network alone, as with hrstyle stylize --stroke-size 1 --no-brush; hrstyle stylize"
    " reduces a photo of more than 0.6 megapixels before this pass, and enlarges the result as"
    " paint"
)


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    export = commands.add_parser(
        "export",
        help="write a style as an ONNX file",
        description="Write a style as an ONNX file for other programs and the browser, and compare"
        " it with PyTorch. The model differs from hrstyle stylize: " + _DIFFERENCE + ".",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    export.add_argument("style", metavar="NAME|FILE", help=STYLE)
    export.add_argument(
        "output", metavar="OUT.onnx", help="the file to write, or a folder for NAME.onnx"
    )
    export.add_argument("--dtype", help="float32 (the default), or float16 for half the file size")
    export.add_argument("--half", dest="dtype", action="store_const", const="float16",
        help="the same as --dtype float16")  # fmt: skip
    export.add_argument("--size", type=int, nargs=2, metavar=("H", "W"),
        help="height and width of what the model takes (default: any)")  # fmt: skip
    add_existing(export)
    add_json(export)
    export.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Export the style, and compare the file with PyTorch."""
    from hrstyle.engine.exporting import CHECK_SIZES, export
    from hrstyle.mixing import load_style

    style, output = parse_style(arguments.style), Path(expand_user(arguments.output))
    if output.is_dir():
        output /= f"{Path(load_style(style).style.replace(' + ', '-')).name}.onnx"
    if not arguments.overwrite:
        refuse_existing([output])
    error = export(style, output, **explicit_options(arguments, "dtype", "size"))
    checked = CHECK_SIZES if arguments.size is None else [arguments.size]
    sizes = ", ".join(f"{width}x{height}" for height, width in checked)
    line = f"{output}: at most {error:.4f} of 255 from PyTorch ({sizes} px); {_DIFFERENCE}"
    described = {"style": arguments.style, "output": str(output)}
    report(arguments, line, **described, largest_difference_of_255=error)

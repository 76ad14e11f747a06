"""`hrstyle stylize`."""

import argparse
import sys
from typing import Any

from hrstyle.cli.options import STYLE, given, parse_style
from hrstyle.errors import InputError


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    stylize = commands.add_parser(
        "stylize",
        help="repaint photos",
        description="Repaint photos of any size. A result has its photo's size.",
    )
    stylize.add_argument("input", metavar="IN", nargs="+", help="photos, of any usual type")
    stylize.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help="the result (.png, .jpg, .webp …); or a folder: results keep the photos' names",
    )
    stylize.add_argument(
        "--style",
        metavar="NAME|FILE",
        required=True,
        help=STYLE,
    )
    stylize.add_argument(
        "--strength",
        type=float,
        metavar="0...1",
        help="how much of the style: 0 is the photo, 1 (without it) the style",
    )
    stylize.add_argument(
        "--stroke-size",
        type=float,
        metavar="TIMES",
        help="how large the strokes are: 3, for one, triples them; for prints (1 without it)",
    )
    stylize.add_argument(
        "--device", help="cpu, cuda, cuda:1, mps; without it, the best one there is"
    )
    stylize.add_argument(
        "--dtype", help="float32 (without it), or bfloat16 or float16: faster where the hardware"
        " has them, a few of 255 off"
    )  # fmt: skip
    stylize.add_argument(
        "--engine", help="torch or openvino; without it, OpenVINO on a CPU where it is installed"
    )
    stylize.add_argument(
        "--max-memory",
        metavar="SIZE",
        help="what repainting may take besides the picture; a larger picture is streamed in bands,"
        " with the same result (1GB without it)",
    )
    stylize.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Repaint each photo."""
    from PIL import Image
    from tqdm import tqdm

    from hrstyle.images import save_image
    from hrstyle.inference import check_options, load
    from hrstyle.outputs import plan_outputs

    # Pillow's guard against small files that unpack to huge pictures is for services that take
    # files from strangers; who names a file here means it.
    Image.MAX_IMAGE_PIXELS = None
    pairs = plan_outputs(arguments.input, arguments.output)
    options = given(arguments, "strength", "stroke_size", "max_memory")
    check_options(**options)  # complain before the work, not after it
    stylizer = load(parse_style(arguments.style), **given(arguments, "device", "dtype", "engine"))
    failed = []
    seen = sys.stderr.isatty()  # a log file should hold no progress bars
    for source, target in tqdm(
        pairs, unit="photo", disable=len(pairs) == 1 or not seen, leave=False
    ):
        try:
            result = stylizer.stylize(source, progress=seen, **options)
            save_image(result, target)
        except InputError as error:
            if len(pairs) == 1:
                raise
            failed.append(source)
            tqdm.write(f"hrstyle: {error}", file=sys.stderr)
        else:
            tqdm.write(f"{target}: {result.width}x{result.height}", file=sys.stdout)
    if failed:
        raise InputError(f"{len(failed)} of {len(pairs)} photos could not be repainted, see above")

"""`hrstyle stylize`."""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrstyle.cli.options import (
    STYLE,
    add_existing,
    add_json,
    existing,
    given,
    parse_style,
    report,
)
from hrstyle.errors import InputError

if TYPE_CHECKING:
    from hrstyle.images import PILImage

STANDARD = "-"
"""Standard input as IN, standard output as OUT."""
Job = tuple[str | Path, str | Path]
"""A photo and its result's file."""
_FORMAT = "png"
"""Of standard output, unless told otherwise."""

_EPILOG = """\
examples:
  hrstyle stylize cat.jpg -o painted.png --style starry_night
  hrstyle stylize holiday/ -r -o painted/ --style great_wave --skip-existing

A result keeps its photo's name; in painted/ it lies where the photo does in holiday/. Where two
would have one name, as those of dot.gif and dot.png, the old ending is kept: dot.gif.png.

  curl https://example.org/cat.jpg | hrstyle stylize - --style starry_night --format webp > cat.webp
"""


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    stylize = commands.add_parser(
        "stylize",
        help="repaint photos",
        description="Repaint photos of any size, and whole folders of them. Results have their"
        " photos' sizes.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = stylize.add_argument
    add("input", metavar="IN", nargs="+",
        help="photos of any usual type, folders of them, or - for standard input")  # fmt: skip
    add(
        "-o",
        "--output",
        metavar="OUT",
        help="the result (.png, .jpg, .webp …); a folder, in which results keep the photos' names;"
        " or - for standard output",
    )
    add("--style", metavar="NAME|FILE", required=True, help=STYLE)
    add("-r", "--recursive", action="store_true", help="take the folders in a folder, too")
    add_existing(stylize, skip=True)
    add("--strength", type=float, metavar="0...1",
        help="how much of the style: 0 is the photo, 1 (without it) the style")  # fmt: skip
    add(
        "--stroke-size",
        type=float,
        metavar="TIMES",
        help="how large the strokes are: 3, for one, triples them; for prints (1 without it)",
    )
    add("--keep-colours", "--keep-colors", action="store_true", default=None,
        help="the photo's colours; only the brightness is painted")  # fmt: skip
    add("--mask", metavar="MASK",
        help="paint where this picture is white, leave the photo where it is black")  # fmt: skip
    add("--size", type=int, metavar="PX",
        help="longer side of the result (the photo's without it)")  # fmt: skip
    add("--format", metavar="png|jpeg|…",
        help="type of the results; without it, OUT's, each photo's, or png for -")  # fmt: skip
    add("--quality", type=int, metavar="1...100", help="of JPEG, WebP and AVIF (95)")
    add("--strip", action="store_true",
        help="leave out what the photo's file says: camera, place, colour profile")  # fmt: skip
    add_json(stylize)
    add("--device", help="cpu, cuda, cuda:1, mps; without it, the best one there is")
    add("--dtype", help="float32 (without it), or bfloat16 or float16: faster where the hardware"
        " has them, a few of 255 off")  # fmt: skip
    add("--engine", help="torch or openvino; without it, OpenVINO on a CPU where it is installed")
    add(
        "--max-memory",
        metavar="SIZE",
        help="what repainting may take besides the picture; a larger picture is streamed in bands,"
        " with the same result (half of what is free without it)",
    )
    stylize.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Repaint each photo."""
    from PIL import Image
    from tqdm import tqdm

    from hrstyle.images import check_quality, open_image
    from hrstyle.inference import check_options, load
    from hrstyle.pipeline import in_order

    # Pillow's guard against small files that unpack to huge pictures is for services that take
    # files from strangers; who names a file here means it.
    Image.MAX_IMAGE_PIXELS = None
    options = given(arguments, "strength", "stroke_size", "keep_colours", "mask", "size")
    options |= given(arguments, "max_memory")
    check_options(**options)  # complain before the work, not after it
    check_quality(arguments.quality)
    pairs = _plan(arguments)
    if not pairs:
        print("all results are there already", file=sys.stderr)
        return
    stylizer = load(parse_style(arguments.style), **given(arguments, "device", "dtype", "engine"))
    seen = sys.stderr.isatty()  # a log file should hold no progress bars
    options["progress"] = seen and len(pairs) == 1
    photos = (open_image(sys.stdin.buffer) if name == STANDARD else name for name, _ in pairs)
    results = stylizer.stylize_many(photos, return_exceptions=True, **options)
    saved = in_order(lambda work: _save(*work, arguments), zip(pairs, results, strict=True))
    bar = tqdm(pairs, unit="photo", disable=len(pairs) == 1 or not seen, leave=False)
    failed = 0
    for (source, target), future in zip(bar, saved, strict=True):
        try:
            result = future.result()
        except InputError as error:
            if arguments.json:
                report(arguments, "", input=str(source), error=str(error))
            if len(pairs) == 1:
                raise
            failed += 1
            named = error if str(source) in str(error) else f"{source}: {error}"
            tqdm.write(f"hrstyle: {named}", file=sys.stderr)
            continue
        if target != STANDARD:
            line = f"{target}: {result.width}x{result.height}"
            facts = {"output": str(target), "width": result.width, "height": result.height}
            report(arguments, line, input=str(source), **facts)
    if failed:
        raise InputError(f"{failed} of {len(pairs)} photos could not be repainted, see above")


def _plan(arguments: argparse.Namespace) -> Sequence[Job]:
    """Which photo goes where; either may be `STANDARD`."""
    from hrstyle.outputs import ending_of, plan_outputs

    several = len(arguments.input) > 1
    if arguments.output is None and arguments.input != [STANDARD]:
        raise InputError("name the result, or a folder for the results, with -o OUT")
    if STANDARD in arguments.input and several:
        raise InputError("- is a single photo on standard input; name no other with it")
    if arguments.input == [STANDARD] and sys.stdin.isatty():
        raise InputError("standard input is a terminal; give a picture with < FILE")
    if arguments.output in (None, STANDARD):
        ending_of(arguments.format or _FORMAT)
        if several or Path(arguments.input[0]).is_dir():
            raise InputError("standard output holds a single result; name a folder with -o OUT")
        if arguments.json:
            raise InputError("--json needs standard output; name the result with -o OUT")
        if sys.stdout.isatty():
            raise InputError("standard output is a terminal; name the result with -o OUT")
        return [(arguments.input[0], STANDARD)]
    pairs = plan_outputs(
        arguments.input,
        arguments.output,
        recursive=arguments.recursive,
        file_format=arguments.format,
        existing=existing(arguments),
    )
    return [(STANDARD, pairs[0][1])] if pairs and arguments.input == [STANDARD] else pairs


def _save(job: Job, result: "PILImage | InputError", arguments: argparse.Namespace) -> "PILImage":
    """Write a result to its file, or to standard output; raise what came instead of one."""
    from hrstyle.images import save_image, write_image
    from hrstyle.outputs import ending_of

    if isinstance(result, InputError):
        raise result
    _, target = job
    how = {"quality": arguments.quality, "strip": arguments.strip}
    if target != STANDARD:
        save_image(result, target, **how)
        return result
    data = io.BytesIO()  # a result that fails is to leave no half of itself
    write_image(result, data, f"output{ending_of(arguments.format or _FORMAT)}", **how)
    sys.stdout.buffer.write(data.getvalue())
    sys.stdout.buffer.flush()
    return result

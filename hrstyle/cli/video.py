"""`hrstyle video`: repaint a clip."""

import argparse
import sys
from typing import Any

from hrstyle.cli.options import (
    DEVICE,
    DTYPE,
    ENGINE,
    STYLE,
    add_existing,
    add_json,
    add_stylize_options,
    explicit_options,
    parse_style,
    report,
    stylize_options,
)
from hrstyle.errors import InputError
from hrstyle.files import refuse_existing

_EPILOG = """\
examples:
  hrstyle video clip.mp4 painted.mp4 --style starry_night
  hrstyle video clip.mov painted.gif --style great_wave --size 480 --start 1:05 --end 1:12.5

The result keeps the clip's times and its sound. It is .mp4, .m4v, .mov or .mkv (H.264), .webm
(VP9), or .gif or .webp, which have no sound. It needs: pip install 'hrstyle[video]'
"""
_OPTIONS = ("start", "end", "crf", "steady")


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    video = commands.add_parser(
        "video",
        help="repaint a clip",
        description="Repaint a clip; its times and its sound stay.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = video.add_argument
    add("input", metavar="IN", help="the clip")
    add("output", metavar="OUT", help="the result; its ending gives the format")
    add("--style", metavar="NAME|FILE", required=True, help=STYLE)
    add("--start", type=_seconds, metavar="TIME", help="where to begin: 65.5, or 1:05.5")
    add("--end", type=_seconds, metavar="TIME", help="where to end")
    add_stylize_options(video)
    add("--crf", type=float, metavar="0...51",
        help="quality of H.264 and VP9: lower is better and larger (20)")  # fmt: skip
    add("--steady", type=float, metavar="0...1",
        help="how far strokes move with the scene (1); 0: each frame by itself")  # fmt: skip
    add(
        "--no-steady", dest="steady", action="store_const", const=0.0, help="the same as --steady 0"
    )
    add_existing(video)
    add_json(video)
    add("--device", help=DEVICE)
    add("--dtype", help=DTYPE)
    add("--engine", help=ENGINE)
    video.set_defaults(run=run)


def _seconds(text: str) -> float:
    """`65.5`, `1:05.5` or `0:01:05.5` -> seconds."""
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


_seconds.__name__ = "time"  # the name in argparse's error message


def run(arguments: argparse.Namespace) -> None:
    """Repaint the clip."""
    options = stylize_options(arguments)
    if not arguments.overwrite:
        refuse_existing([arguments.output])  # before PyTorch is loaded
    try:
        from hrstyle.video import repaint_video
    except ImportError as error:  # PyAV and OpenCV are an extra
        raise InputError(str(error)) from error
    from hrstyle.inference import load

    result = repaint_video(
        arguments.input,
        arguments.output,
        load(
            parse_style(arguments.style), **explicit_options(arguments, "device", "dtype", "engine")
        ),
        overwrite=arguments.overwrite,
        progress=sys.stderr.isatty(),
        options=options,
        **explicit_options(arguments, *_OPTIONS),
    )
    width, height = result.size
    if result.damaged:
        print(
            f"hrstyle: {arguments.input} is damaged or was cut off; what can be read of it is in"
            f" {result.path}",
            file=sys.stderr,
        )
    line = f"{result.path}: {width}x{height}, {result.pictures} frames, {result.seconds:.2f} s"
    report(
        arguments,
        line,
        input=arguments.input,
        output=str(result.path),
        width=width,
        height=height,
        frames=result.pictures,
        seconds=round(result.seconds, 3),
        sound_tracks=result.sound,
        damaged=result.damaged,
    )

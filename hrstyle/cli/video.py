"""`hrstyle video`: repaint clips and folders of clips."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrstyle.cli.options import (
    DEVICE,
    DTYPE,
    ENGINE,
    STYLE,
    add_existing,
    add_json,
    add_style,
    add_stylize_options,
    end_by,
    existing,
    explicit_options,
    named,
    parse_style,
    report,
    stylize_options,
)
from hrstyle.errors import PICTURE_ERRORS, InputError, sentence_of
from hrstyle.files import expand_user

if TYPE_CHECKING:
    from hrstyle.images.outputs import Job
    from hrstyle.video import Repainted

_EPILOG = """\
examples:
  hrstyle video clip.mp4 -o painted.mp4 --style starry_night
  hrstyle video clip.mov -o painted.gif --style great_wave --size 480 --start 1:05 --end 1:12.5
  hrstyle video holiday/ -r -o painted/ --style great_wave --skip-existing
  hrstyle video frames/%04d.png -o painted.mp4 --style starry_night

The result keeps the clip's times, sound, subtitles and chapters. It is .mp4, .m4v, .mov or .mkv
(H.264), .webm (VP9), or .gif or .webp, which have no sound. .webm, .mov, .gif and .webp keep
transparency. It needs: pip install 'hrstyle[video]'
"""
_OPTIONS = ("start", "end", "crf", "steady", "sound")


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    video = commands.add_parser(
        "video",
        help="repaint clips",
        description="Repaint clips and folders of clips; their times and their sound stay.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = video.add_argument
    add("input", metavar="IN", nargs="+", help="clips, and folders of clips")
    add(
        "-o",
        "--output",
        metavar="OUT",
        help="the result, whose ending gives the format, or a folder; if it is left out, the last"
        " of two INs, which must not exist yet",
    )
    add_style(video, help=STYLE)
    add("-r", "--recursive", action="store_true", help="include the folders in a folder")
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
    add("--no-sound", dest="sound", action="store_false", default=None, help="leave out the sound")
    add_existing(video, skip=True)
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
    """Repaint each clip."""
    options = stylize_options(arguments)
    try:
        from hrstyle.video import repaint_video
    except ImportError as error:  # PyAV and OpenCV are an extra
        raise InputError(str(error)) from error
    from hrstyle.inference import load

    jobs = _plan(arguments)
    if not jobs:
        print("all results exist already", file=sys.stderr)
        return
    style = load(
        parse_style(arguments.style), **explicit_options(arguments, "device", "dtype", "engine")
    )
    failed = 0
    for job in jobs:
        clip = str(job.source)
        try:
            result = repaint_video(
                clip,
                job.target,
                style,
                overwrite=arguments.overwrite,
                progress=sys.stderr.isatty(),
                options=options,
                **explicit_options(arguments, *_OPTIONS),
            )
        except PICTURE_ERRORS as error:
            if arguments.json:
                report(arguments, "", input=clip, error=sentence_of(error))
            if len(jobs) == 1:
                end_by(error, clip)
            failed += 1
            print(f"hrstyle: {named(error, clip)}", file=sys.stderr)
        else:
            _report(arguments, clip, result)
    if failed:
        raise InputError(f"{failed} of {len(jobs)} clips could not be repainted, see above")


def _plan(arguments: argparse.Namespace) -> "list[Job]":
    """The clips and the files of their results."""
    from hrstyle.images.inputs import Kind, expand
    from hrstyle.images.outputs import plan_outputs
    from hrstyle.video.formats import ENDINGS, check_ending, is_clip

    if arguments.output is None:
        *arguments.input, arguments.output = arguments.input
        if len(arguments.input) != 1:
            raise InputError("name the result, or a folder for the results, with -o OUT")
        if Path(expand_user(arguments.output)).is_file():  # a clip, if -o was forgotten
            raise InputError(f"{arguments.output} is there already; name the result with -o OUT")
    if "-" in (*arguments.input, arguments.output):
        raise InputError("clips are read and written as files, not as -; name the file")
    return plan_outputs(
        expand(arguments.input),
        arguments.output,
        recursive=arguments.recursive,
        existing=existing(arguments),
        protected=[arguments.mask or ""],
        tell=lambda sentence: print(f"hrstyle: {sentence}", file=sys.stderr),
        kind=Kind("clips", is_clip, check_ending, lambda: ENDINGS, ".mp4"),
    )


def _report(arguments: argparse.Namespace, clip: str, result: "Repainted") -> None:
    height, width = result.size
    if result.damaged:
        print(
            f"hrstyle: {clip} is damaged or was cut off; what can be read of it is in"
            f" {result.path}",
            file=sys.stderr,
        )
    for note in result.notes:
        print(f"hrstyle: {clip}: {note}", file=sys.stderr)
    line = f"{result.path}: {width}x{height}, {result.pictures} frames, {result.seconds:.2f} s"
    report(
        arguments,
        line,
        input=clip,
        output=str(result.path),
        width=width,
        height=height,
        frames=result.pictures,
        seconds=round(result.seconds, 3),
        sound_tracks=result.sound,
        damaged=result.damaged,
        notes=result.notes,
    )

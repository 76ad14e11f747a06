"""`hrstyle stylize`: repaint photos and folders of photos."""

import argparse
import io
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrstyle.cli.options import (
    ALL,
    DTYPE,
    STYLE,
    add_existing,
    add_json,
    add_saving,
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
from hrstyle.engine.options import DEFAULTS, StylizeOptions
from hrstyle.errors import InputError, sentence_of

if TYPE_CHECKING:
    from hrstyle.cli.quick import QuickStylizer
    from hrstyle.images.outputs import Job
    from hrstyle.inference import Stylizer
    from hrstyle.optimization.refinement import Refiner

STANDARD = "-"
"""Stands for standard input as IN, and for standard output as OUT."""
_FORMAT = "png"
"""Default format of standard output."""
SMALL_PIXELS = 2**20
"""Number of pixels up to which PyTorch is done before OpenVINO has compiled its faster network."""
QUICK_PHOTOS = 30
"""Number of photos that are repainted without PyTorch, before a GPU would have been faster; with
`--device cpu` there is no limit."""
_QUICK_SETTINGS = {"device": "cpu", "dtype": "float32", "engine": "openvino"}
"""Settings of `QuickStylizer`."""

_EPILOG = """\
examples:
  hrstyle stylize cat.jpg -o painted.png --style starry_night
  hrstyle stylize holiday/ -r -o painted/ --style great_wave --skip-existing
  hrstyle stylize cat.jpg -o painted/ --style all        # painted/cat-starry_night.jpg …

A result has its photo's name, and the same place in painted/ as the photo in holiday/. If two
photos would give one name, as dot.gif and dot.png do, the new ending is appended: dot.gif.png. An
animated GIF, WebP or APNG stays animated.

  curl https://example.org/cat.jpg | hrstyle stylize - --style starry_night --format webp > cat.webp
"""


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    stylize = commands.add_parser(
        "stylize",
        help="repaint photos",
        description="Repaint photos of any size, and whole folders of them. A result has the size"
        " of its photo.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = stylize.add_argument
    add("input", metavar="IN", nargs="+",
        help="photos, folders of photos, or - for standard input")  # fmt: skip
    add(
        "-o",
        "--output",
        metavar="OUT",
        help="the result (.png, .jpg, .webp …); a folder for results with the photos' names; or -"
        " for standard output",
    )
    add_style(stylize, help=f"{STYLE}; or the word {ALL}, for every bundled style in turn")
    add("-r", "--recursive", action="store_true", help="include the folders in a folder")
    add_existing(stylize, skip=True)
    add_stylize_options(stylize)
    add("--refine", type=int, metavar="STEPS",
        help="fine-tune the style on each photo first: cleaner, and nearer to the painting. 25"
        " steps are good, and take a minute per photo on two cores")  # fmt: skip
    add("--painting", metavar="PICTURE",
        help="for --refine with a style you trained: the style's picture")  # fmt: skip
    add("--format", metavar="png|jpeg|…",
        help="type of the results (default: that of OUT or the photo, or png for -)")  # fmt: skip
    add_saving(stylize)
    add_json(stylize)
    add(
        "--device",
        help=f"cpu, cuda, cuda:1 or mps (default: the CPU for up to {QUICK_PHOTOS} photos with"
        " default settings, if OpenVINO is installed; else the best one available)",
    )
    add("--dtype", help=DTYPE)
    add("--engine", help="torch or openvino (default: OpenVINO on a CPU if it is installed; torch"
        " for a photo or two with changed settings)")  # fmt: skip
    stylize.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Repaint each photo."""
    from hrstyle.images.formats import trust_files
    from hrstyle.images.writing import check_quality

    trust_files()
    options = stylize_options(arguments)
    check_quality(arguments.quality)
    refining = explicit_options(arguments, "refine", "painting")
    styles = _styles(arguments.style)
    if "painting" in refining and "refine" not in refining:
        raise InputError("--painting is for --refine STEPS; add it, or leave both out")
    if "painting" in refining and len(styles) > 1:
        raise InputError("--painting is for a single style; leave it out with --style all")
    if refining:
        from hrstyle.optimization.refinement import check_steps

        check_steps(arguments.refine)
    planned = _plan(arguments, [label for _, label in styles])
    every = [job for jobs in planned for job in jobs]
    if not every:
        print("all results exist already", file=sys.stderr)
    few = len(every) <= QUICK_PHOTOS and sum(map(_frames, every)) <= QUICK_PHOTOS
    failed: set[Any] = set()
    for (style, _), jobs in zip(styles, planned, strict=True):
        # A photo that failed in one style is not tried in the others.
        if left := [job for job in jobs if job.source not in failed]:
            stylizer = _load(arguments, options, style, left, few)
            failed |= _repaint(arguments, options, stylizer, left, is_only=len(every) == 1)
    if failed:
        photos = {job.source for job in every}
        raise InputError(f"{len(failed)} of {len(photos)} photos could not be repainted, see above")


def _styles(text: str) -> list[tuple[Any, str]]:
    """The styles to paint with, each with the label of its results."""
    from hrstyle.styles.pictures import existing_file
    from hrstyle.styles.trained import list_styles

    if text == ALL and not existing_file(text):
        return [(name, name) for name in list_styles()]
    return [(parse_style(text), "")]


def _repaint(
    arguments: argparse.Namespace,
    options: StylizeOptions,
    stylizer: "Stylizer | QuickStylizer | Refiner",
    jobs: "Sequence[Job]",
    *,
    is_only: bool,
) -> set[Any]:
    """Repaint the photos in a style; returns those that failed.

    Raises:
        InputError: the only photo in the only style failed.
    """
    from tqdm import tqdm

    from hrstyle.cli.batch import repaint_files

    to = sys.stdout.buffer if _to_standard_output(arguments) else None
    saving = {"quality": arguments.quality, "strip": arguments.strip, "to": to}
    is_terminal = sys.stderr.isatty()  # no progress bars in log files
    outcomes = repaint_files(
        stylizer,
        jobs,
        progress=is_terminal and len(jobs) == 1,
        options=options,
        **saving,
    )
    bar = {"total": len(jobs), "unit": "photo", "disable": len(jobs) == 1 or not is_terminal}
    failed = set()
    for outcome in tqdm(outcomes, leave=False, **bar):
        source = STANDARD if isinstance(outcome.source, io.BytesIO) else str(outcome.source)
        if outcome.error:
            sentence = sentence_of(outcome.error)
            if arguments.json:
                report(arguments, "", input=source, error=sentence)
            if is_only:
                end_by(outcome.error, source)
            failed.add(outcome.source)
            tqdm.write(f"hrstyle: {named(outcome.error, source)}", file=sys.stderr)
        elif not to:
            width, height = outcome.size
            line = f"{outcome.target}: {width}x{height}"
            line += f", {outcome.frames} frames" if outcome.frames > 1 else ""
            facts = {"output": str(outcome.target), "width": width, "height": height}
            facts |= {"frames": outcome.frames, "dtype": str(stylizer.dtype).removeprefix("torch.")}
            report(arguments, line, input=source, **facts)
    return failed


def _load(
    arguments: argparse.Namespace,
    options: StylizeOptions,
    style: Any,
    jobs: "Sequence[Job]",
    few: bool,
) -> "Stylizer | QuickStylizer | Refiner":
    """What repaints the photos fastest; `few` says that a GPU would not be worth its start."""
    from hrstyle.cli.quick import quick_stylizer
    from hrstyle.painting.strokes import LARGEST_PIXELS

    refining = explicit_options(arguments, "refine", "painting")
    loading = explicit_options(arguments, "device", "dtype", "engine")
    plain = options == DEFAULTS and not refining and loading.items() <= _QUICK_SETTINGS.items()
    if (
        plain
        and (few or "device" in loading)
        and all(math.prod(_result(job, options)) <= LARGEST_PIXELS for job in jobs)
        and (quick := quick_stylizer(style))
    ):
        return quick
    if few and sum(_painted_pixels(job, options) for job in jobs) <= SMALL_PIXELS:
        loading.setdefault("engine", "torch")
    from hrstyle.inference import load

    stylizer = load(style, **loading)
    if not refining:
        return stylizer
    from hrstyle.optimization.refinement import Refiner

    return Refiner(stylizer, painting=arguments.painting, steps=arguments.refine)


def _frames(job: "Job") -> int:
    from hrstyle.images.formats import size_and_frames

    return size_and_frames(job.source)[1] if job.animated else 1


def _result(job: "Job", options: StylizeOptions) -> tuple[int, int]:
    """Height and width of a result; (0, 0) if the photo is no picture."""
    from hrstyle.images.formats import size_and_frames

    size, _ = size_and_frames(job.source)
    return options.result_size(size) if all(size) else size


def _painted_pixels(job: "Job", options: StylizeOptions) -> int:
    """Number of pixels that the network paints, in all frames."""
    from hrstyle.painting.strokes import size_to_paint

    result = _result(job, options)
    return _frames(job) * math.prod(size_to_paint(result, options.strokes(result)))


def _to_standard_output(arguments: argparse.Namespace) -> bool:
    return arguments.output in (None, STANDARD)


def _plan(arguments: argparse.Namespace, labels: Sequence[str]) -> "list[list[Job]]":
    """For each label the pictures and the files of their results; reads standard input."""
    from hrstyle.images.animation import is_animated
    from hrstyle.images.inputs import expand, unpiped
    from hrstyle.images.outputs import Job, ending_of, plan_labelled

    inputs = expand(arguments.input)
    is_piped = inputs == [STANDARD]
    if arguments.output is None and not is_piped:
        raise InputError("name the result, or a folder for the results, with -o OUT")
    from_pipe = is_piped or any(Path(name).is_fifo() for name in inputs)
    if any(labels) and (from_pipe or _to_standard_output(arguments)):
        raise InputError("--style all is for files; name the photo, and a folder with -o OUT")
    if STANDARD in inputs and not is_piped:
        raise InputError("- is a single photo on standard input; name no other with it")
    if is_piped and sys.stdin.isatty():
        raise InputError("standard input is a terminal; give a picture with < FILE")
    if _to_standard_output(arguments):
        target = Path(f"output{ending_of(arguments.format or _FORMAT)}")
        if len(inputs) > 1 or Path(inputs[0]).is_dir():
            raise InputError("standard output holds a single result; name a folder with -o OUT")
        if arguments.json:
            raise InputError("--json needs standard output; name the result with -o OUT")
        if sys.stdout.isatty():
            raise InputError("standard output is a terminal; name the result with -o OUT")
        photo = io.BytesIO(sys.stdin.buffer.read()) if is_piped else unpiped(Path(inputs[0]))
        return [[Job(photo, target, is_animated(photo))]]
    return plan_labelled(
        inputs,
        arguments.output,
        labels,
        recursive=arguments.recursive,
        file_format=arguments.format,
        existing=existing(arguments),
        protected=[arguments.mask or "", arguments.painting or ""],
        animated=True,
        piped=io.BytesIO(sys.stdin.buffer.read()) if is_piped else None,
        tell=lambda sentence: print(f"hrstyle: {sentence}", file=sys.stderr),
    )

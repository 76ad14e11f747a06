"""`hrstyle optimize`: repaint photos in the style of any picture by image optimisation."""

import argparse
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hrstyle.cli.options import (
    DEVICE,
    add_colours,
    add_existing,
    add_saving,
    add_style,
    end_by,
    existing,
    explicit_options,
    named,
    parse_style,
)
from hrstyle.errors import PICTURE_ERRORS, InputError

if TYPE_CHECKING:
    from hrstyle.images.reading import PILImage

_EPILOG = """\
examples:
  hrstyle optimize cat.jpg -o painted.png --style starry_night --steps 200
  hrstyle optimize cat.jpg -o painted.png --style my_painting.jpg --style-weight 2
  hrstyle optimize holiday/ -o painted/ --style my_painting.jpg --skip-existing
  hrstyle optimize cat.jpg -o painted.png --style mine.jpg:2,starry_night:1 --keep-colours
  hrstyle optimize cat.jpg -o painted.png --style starry_night --loss gram

Useful style weights range from 0.3 (close to the photo) to 3 (heavy strokes).
"""
_OPTIONS = (
    *("steps", "size", "start", "method", "loss", "content_weight", "style_weight", "tv_weight"),
    *("content_layers", "style_layers", "style_layer_weights", "pooling", "style_scale"),
    *("coarse_to_fine", "keep_colours", "seed", "device", "dtype"),
)


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    optimize = commands.add_parser(
        "optimize",
        help="repaint photos in the style of any picture, without training",
        description="Repaint photos in the style of any picture. No training is needed: the"
        " pixels are optimised until they match the photo's content and the picture's style. That"
        " takes minutes for each photo, where a trained style takes a second. Ctrl-C keeps the best"
        " result so far, and ends the command.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = optimize.add_argument
    add("input", metavar="IN", nargs="+", help="photos, and folders of photos")
    add("-o", "--output", metavar="OUT", required=True,
        help="the result (.png, .jpg, .webp …), or a folder for several")  # fmt: skip
    add("-r", "--recursive", action="store_true", help="include the folders in a folder")
    add_existing(optimize, skip=True)
    add_style(
        optimize,
        metavar="NAME|PICTURE",
        help="a style's name (see hrstyle styles), whose painting is downloaded if needed; any"
        " picture's path or address; or several with their shares: mine.jpg:2,starry_night:1",
    )
    add("--steps", type=int, help="evaluations of the loss (200); more give a better result")
    add("--size", type=int, metavar="PX", help="maximal length of the result's longer side (512)")
    add("--start", metavar="content|noise|PICTURE", help="the initial picture (content)")
    add("--method", metavar="lbfgs|adam", help="the optimiser (adam)")
    add(
        "--content-weight",
        type=float,
        metavar="W",
        help="weight of the photo's content (2; 1 for --loss gram)",
    )
    add("--style-weight", type=float, metavar="W", help="weight of the style (1)")
    add("--tv-weight", type=float, metavar="W", help="weight of smoothness, as total variation (0)")
    add("--loss", metavar="painterly|gram",
        help="the objective: painterly, which paints everything and keeps the shapes, or gram, the"
        " Gram matrices of Gatys et al. (painterly)")  # fmt: skip
    add("--content-layers", type=_words, metavar="A,B",
        help="VGG19 layers of the content, for --loss gram (relu4_2)")  # fmt: skip
    add("--style-layers", type=_words, metavar="A,B",
        help="VGG19 layers of the style, for --loss gram (relu1_1 … relu5_1)")  # fmt: skip
    add("--style-layer-weights", type=_numbers, metavar="W,W",
        help="weight of each style layer, for --loss gram (1 each)")  # fmt: skip
    add("--pooling", metavar="max|avg", help="VGG19's pooling (max); avg is smoother")
    add("--style-scale", type=float, metavar="TIMES", help="size of the strokes: 2 doubles it (1)")
    add("--one-size", dest="coarse_to_fine", action="store_false", default=None,
        help="all steps at the full size, instead of starting small")  # fmt: skip
    add_colours(optimize)
    add(
        "--preview-every",
        type=int,
        metavar="N",
        help="write OUT every N steps, to watch the progress",
    )
    add_saving(optimize)
    add("--seed", type=int, help="seed of the random numbers (0)")
    add("--device", help=DEVICE)
    add(
        "--dtype",
        help="float32 (the default), or bfloat16, which is faster on hardware that supports it",
    )
    optimize.set_defaults(run=run)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]


def run(arguments: argparse.Namespace) -> None:
    """Optimise each photo, one after the other."""
    from hrstyle.images.formats import trust_files
    from hrstyle.images.inputs import expand
    from hrstyle.images.outputs import plan_outputs
    from hrstyle.images.writing import check_quality

    trust_files()
    if arguments.preview_every is not None and arguments.preview_every < 1:
        raise InputError(f"--preview-every {arguments.preview_every} must be at least 1")
    check_quality(arguments.quality)
    style = parse_style(arguments.style)
    used = [arguments.start or "", *(style if isinstance(style, dict) else [style])]
    jobs = plan_outputs(
        expand(arguments.input),
        arguments.output,
        recursive=arguments.recursive,
        existing=existing(arguments),
        protected=used,
        tell=lambda sentence: print(f"hrstyle: {sentence}", file=sys.stderr),
    )
    if not jobs:
        print("all results exist already", file=sys.stderr)
    failed = 0
    for source, target, _ in jobs:
        photo = None
        try:
            photo = _open(source, target, arguments)
            _optimize(photo, target, style, arguments)
        except PICTURE_ERRORS as error:
            if photo is not None and isinstance(error, InputError):
                raise  # it is an error of the settings
            if len(jobs) == 1:
                end_by(error, source)
            failed += 1
            print(f"hrstyle: {named(error, source)}", file=sys.stderr)
    if failed:
        raise InputError(f"{failed} of {len(jobs)} photos could not be repainted, see above")


def _open(source: Path | IO[bytes], target: Path, arguments: argparse.Namespace) -> "PILImage":
    """Open a photo; errors before the work, not after it."""
    from hrstyle.images.reading import open_image
    from hrstyle.images.writing import check_repaint
    from hrstyle.optimization.coarse_to_fine import MIN_SIDE, SIZE
    from hrstyle.optimization.inputs import result_size

    # `optimize` refuses smaller sizes.
    size = max(MIN_SIDE, SIZE if arguments.size is None else arguments.size)
    check_repaint(source, target, size=size)
    photo = open_image(source, at_least=2 * size)
    result_size((photo.height, photo.width), size)
    return photo


def _optimize(photo: "PILImage", target: Path, style: Any, arguments: argparse.Namespace) -> None:
    from tqdm import tqdm

    from hrstyle.images.writing import save_image
    from hrstyle.optimization import Progress, optimize

    every, done, steps = arguments.preview_every, 0, 0
    saving = {"quality": arguments.quality, "strip": arguments.strip}

    def watch(progress: Progress) -> None:
        nonlocal done, steps
        done, steps = progress.step, progress.steps
        if every and done % every == 0:
            try:
                save_image(progress.picture, target, **saving)
            except InputError as error:  # such as a full disk: go on without this preview
                tqdm.write(f"hrstyle: {error}", file=sys.stderr)

    result = optimize(
        photo,
        style,
        progress=sys.stderr.isatty(),
        callback=watch,
        **explicit_options(arguments, *_OPTIONS),
    )
    save_image(result, target, **saving)
    print(f"{target}: {result.width}x{result.height}, {done} steps{_peak_memory()}", flush=True)
    if done < steps:
        raise KeyboardInterrupt


def _peak_memory() -> str:
    """The process's peak memory as text, or "" on Windows."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return f", {peak / 1e9:.1f} GB of memory at the peak"

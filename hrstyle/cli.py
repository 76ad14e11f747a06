"""The command `hrstyle`."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from hrstyle import __version__
from hrstyle.errors import InputError, NonFiniteError

_EPILOG = """\
examples:
  hrstyle stylize cat.jpg -o painted.png --style starry_night
  hrstyle stylize cat.jpg -o painted.png --style runs/my_painting/my_painting.safetensors
  hrstyle stylize holiday/*.jpg -o painted/ --style starry_night
  hrstyle stylize cat.jpg -o painted.png --style starry_night --strength 0.7
  hrstyle stylize cat.jpg -o painted.png --style starry_night:0.5,great_wave:0.5
  hrstyle optimize cat.jpg -o painted.png --style my_painting.jpg
  hrstyle export starry_night starry_night.onnx
  hrstyle styles

train a style of your own, then use the file it writes:
  python -m hrstyle.train style.image=my_painting.jpg
  python -m hrstyle.train --help
"""
_OPTIMIZE_EPILOG = """\
examples:
  hrstyle optimize cat.jpg -o painted.png --style starry_night --steps 200
  hrstyle optimize cat.jpg -o painted.png --style my_painting.jpg --style-weight 20
  hrstyle optimize cat.jpg -o painted.png --style mine.jpg:2,starry_night:1 --keep-colours

style weights from 1 (the photo shines through) to 50 (heavy strokes) are the useful range.
"""
_OPTIMIZE = (
    *("steps", "size", "start", "method", "content_weight", "style_weight", "tv_weight"),
    *("content_layers", "style_layers", "style_layer_weights", "pooling", "style_scale"),
    *("coarse_to_fine", "keep_colours", "seed", "device", "dtype"),
)
_STYLE = (
    "a style that comes along (see hrstyle styles), or a trained .safetensors or .ckpt file; or"
    " several with their shares: starry_night:0.5,great_wave:0.5"
)


def build_parser() -> argparse.ArgumentParser:
    """The command line's grammar and help."""
    parser = argparse.ArgumentParser(
        prog="hrstyle",
        description="Repaint photos in the style of a painting: in one forward pass, or, without"
        " training, by optimising the picture itself.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hrstyle {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

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
        help=_STYLE,
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
    stylize.set_defaults(run=run_stylize)

    _add_optimize(commands)
    export = commands.add_parser(
        "export",
        help="write a style as an ONNX file",
        description="Write a style as an ONNX file for other programs and the browser, and compare"
        " it with PyTorch. It takes pictures of any size.",
    )
    export.add_argument("style", metavar="NAME|FILE", help=_STYLE)
    export.add_argument("output", metavar="OUT.onnx", help="the file to write")
    export.add_argument("--dtype", help="float32 (without it), or float16 for half the size")
    export.set_defaults(run=run_export)

    styles = commands.add_parser("styles", help="list the styles that come along")
    styles.set_defaults(run=run_styles)
    return parser


def _add_optimize(commands: Any) -> None:
    optimize = commands.add_parser(
        "optimize",
        help="repaint a photo in the style of any picture, without training",
        description="Repaint a photo in the style of any picture. Nothing is trained: the pixels"
        " themselves are changed until they meet the photo's content and the picture's style. That"
        " takes minutes, where a trained style takes a second. Ctrl-C keeps the best result so"
        " far.",
        epilog=_OPTIMIZE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = optimize.add_argument
    add("input", metavar="IN", help="the photo")
    add("-o", "--output", metavar="OUT", required=True, help="the result (.png, .jpg, .webp …)")
    add(
        "--style",
        metavar="NAME|PICTURE",
        required=True,
        help="a style's name (see hrstyle styles), whose painting is fetched if need be; any"
        " picture's path or address; or several with their shares: mine.jpg:2,starry_night:1",
    )
    add("--steps", type=int, help="evaluations of the loss (200); more come nearer")
    add("--size", type=int, metavar="PX", help="longer side of the result at most (512)")
    add("--start", metavar="content|noise|PICTURE", help="what to start from (content)")
    add("--method", metavar="lbfgs|adam", help="how to go down (lbfgs)")
    add("--content-weight", type=float, metavar="W", help="how much the photo counts (1)")
    add("--style-weight", type=float, metavar="W", help="how much the style counts (6)")
    add("--tv-weight", type=float, metavar="W", help="how much smoothness counts (0)")
    add("--content-layers", type=_words, metavar="A,B", help="VGG19 layers of content (relu4_2)")
    add("--style-layers", type=_words, metavar="A,B", help="of style (relu1_1 … relu5_1)")
    add("--style-layer-weights", type=_numbers, metavar="W,W", help="how much each counts (1 each)")
    add("--pooling", metavar="max|avg", help="VGG19's pooling (max); avg is smoother")
    add("--style-scale", type=float, metavar="TIMES", help="size of the strokes: 2 doubles it (1)")
    add("--one-size", dest="coarse_to_fine", action="store_false", default=None,
        help="all steps at the full size, instead of growing to it")  # fmt: skip
    add("--keep-colours", "--keep-colors", action="store_true", default=None,
        help="the photo's colours; only the brightness is painted")  # fmt: skip
    add("--preview-every", type=int, metavar="N", help="write OUT every N steps, to watch it")
    add("--seed", type=int, help="of the noise (0)")
    add("--device", help="cpu, cuda, cuda:1, mps; without it, the best one there is")
    add("--dtype", help="float32 (without it), or bfloat16, faster where the hardware has it")
    optimize.set_defaults(run=run_optimize)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]


# torch takes over a second to import; --help and a misspelt option need not wait for it. So the
# commands import what they need themselves.


def run_stylize(arguments: argparse.Namespace) -> None:
    """`hrstyle stylize`."""
    from PIL import Image
    from tqdm import tqdm

    from hrstyle.images import save_image
    from hrstyle.inference import check_options, load
    from hrstyle.outputs import plan_outputs

    # Pillow's guard against small files that unpack to huge pictures is for services that take
    # files from strangers; who names a file here means it.
    Image.MAX_IMAGE_PIXELS = None
    pairs = plan_outputs(arguments.input, arguments.output)
    given = _given(arguments, "strength", "stroke_size", "max_memory")
    check_options(**given)  # complain before the work, not after it
    stylizer = load(parse_style(arguments.style), **_given(arguments, "device", "dtype", "engine"))
    failed = []
    seen = sys.stderr.isatty()  # a log file should hold no progress bars
    for source, target in tqdm(
        pairs, unit="photo", disable=len(pairs) == 1 or not seen, leave=False
    ):
        try:
            result = stylizer.stylize(source, progress=seen, **given)
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


def run_optimize(arguments: argparse.Namespace) -> None:
    """`hrstyle optimize`."""
    from PIL import Image
    from tqdm import tqdm

    from hrstyle.images import check_output, open_image, save_image
    from hrstyle.optimization import Progress, optimize
    from hrstyle.outputs import plan_outputs

    Image.MAX_IMAGE_PIXELS = None  # as above
    every = arguments.preview_every
    if every is not None and every < 1:
        raise InputError(f"--preview-every {every} must be at least 1")
    style = parse_style(arguments.style)
    used = [arguments.start or "", *(style if isinstance(style, dict) else [style])]
    [(source, target)] = plan_outputs([arguments.input], arguments.output, keep=used)
    check_output(open_image(source), target)  # complain before the work, not after it
    done, steps = 0, 0

    def watch(progress: Progress) -> None:
        nonlocal done, steps
        done, steps = progress.step, progress.steps
        if every and done % every == 0:
            try:
                save_image(progress.picture, target)
            except InputError as error:  # a full disk, a file held by a viewer: the work goes on
                tqdm.write(f"hrstyle: {error}", file=sys.stderr)

    result = optimize(
        source,
        style,
        progress=sys.stderr.isatty(),
        callback=watch,
        **_given(arguments, *_OPTIMIZE),
    )
    save_image(result, target)
    print(f"{target}: {result.width}x{result.height}, {done} steps{_peak_memory()}")
    if done < steps:
        raise KeyboardInterrupt


def _peak_memory() -> str:
    """What the process has taken at most, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return f", {peak / 1e9:.1f} GB of memory at the peak"


def parse_style(text: str) -> str | dict[str, float]:
    """What stands after --style: a name or file, or several as `NAME:SHARE,NAME:SHARE`.

    Raises:
        InputError: several, and one has no share or comes twice.
    """
    parts = [part.strip().rpartition(":") for part in text.split(",")]
    if all(_is_number(share) for _, _, share in parts):
        shares = {name: float(share) for name, _, share in parts}
        if len(shares) < len(parts):
            raise InputError(f"--style {text}: a style is named twice")
        return shares
    if any(_is_number(share) for _, _, share in parts):
        raise InputError(f"--style {text}: each needs a share: starry_night:0.5,great_wave:0.5")
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def run_export(arguments: argparse.Namespace) -> None:
    """`hrstyle export`."""
    from hrstyle.export import CHECK_SIZES, export

    error = export(parse_style(arguments.style), arguments.output, **_given(arguments, "dtype"))
    sizes = ", ".join(f"{width}x{height}" for height, width in CHECK_SIZES)
    print(f"{arguments.output}: at most {error:.4f} of 255 from PyTorch ({sizes} px)")


def run_styles(arguments: argparse.Namespace) -> None:
    """`hrstyle styles`."""
    from hrstyle.checkpoint import load_generator
    from hrstyle.styles import names, weights_path

    for name in names():
        print(f"{name:16}{load_generator(weights_path(name)).credit}".rstrip())


def _given(arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The options that were given; the others keep their defaults, which are Python's."""
    values = vars(arguments)
    return {name: values[name] for name in names if values[name] is not None}


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; bad input gives one sentence and exit code 2."""
    arguments = build_parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except InputError as error:
        print(f"hrstyle: {error}", file=sys.stderr)
        sys.exit(2)
    except NonFiniteError as error:
        sys.exit(f"hrstyle: {error}")  # exit code 1: the input was fine
    except KeyboardInterrupt:
        sys.exit(130)

"""The command `hrstyle`."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hrstyle import __version__
from hrstyle.errors import InputError

_EPILOG = """\
examples:
  hrstyle stylize cat.jpg -o painted.png --style starry_night
  hrstyle stylize cat.jpg -o painted.png --style runs/my_painting/my_painting.safetensors
  hrstyle stylize holiday/*.jpg -o painted/ --style starry_night
  hrstyle stylize cat.jpg -o painted.png --style starry_night --strength 0.7
  hrstyle stylize cat.jpg -o painted.png --style starry_night:0.5,great_wave:0.5
  hrstyle export starry_night starry_night.onnx
  hrstyle styles

train a style of your own, then use the file it writes:
  python -m hrstyle.train style.image=my_painting.jpg
  python -m hrstyle.train --help
"""
_STYLE = (
    "a style that comes along (see hrstyle styles), or a trained .safetensors or .ckpt file; or"
    " several with their shares: starry_night:0.5,great_wave:0.5"
)


def build_parser() -> argparse.ArgumentParser:
    """The command line's grammar and help."""
    parser = argparse.ArgumentParser(
        prog="hrstyle",
        description="Repaint photos in the style of a painting, in one forward pass.",
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


# torch takes over a second to import; --help and a misspelt option need not wait for it. So the
# commands import what they need themselves.


def run_stylize(arguments: argparse.Namespace) -> None:
    """`hrstyle stylize`."""
    from PIL import Image
    from tqdm import tqdm

    from hrstyle.images import save_image
    from hrstyle.inference import check_options, load

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


def plan_outputs(inputs: Sequence[str], output: str) -> list[tuple[Path, Path]]:
    """Which photo goes to which file; a missing folder is made.

    Raises:
        InputError: several photos for one file; two results of one name; a result that would
            overwrite a photo; an ending that cannot be written.
    """
    from hrstyle.images import output_format

    photos, out = [Path(name) for name in inputs], Path(output)
    for photo in photos:
        if photo.is_dir():
            raise InputError(f"{photo} is a folder; name its pictures, such as {photo}/*.jpg")
    is_folder = out.is_dir() or output.endswith(("/", os.sep))
    if len(photos) == 1 and not is_folder:
        targets = [out]
    else:
        if out.suffix and not is_folder:
            raise InputError(f"{len(photos)} photos need a folder, not the single file {out}")
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {out}: {error.strerror}") from error
        targets = [out / _writable_name(photo) for photo in photos]
    inodes = {_inode(photo) for photo in photos if photo.exists()}
    names = Counter(str(target).casefold() for target in targets)  # some disks ignore case
    for target in targets:
        output_format(target)
        if names[str(target).casefold()] > 1:
            raise InputError(f"two photos would become {target}; repaint them one by one")
        if target.exists() and _inode(target) in inodes:
            raise InputError(f"{target} is the photo itself; give the result another name")
    return list(zip(photos, targets, strict=True))


def _inode(path: Path) -> tuple[int, int]:
    """What two names of one file have in common."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _writable_name(photo: Path) -> str:
    """The photo's name, ending in .png where its own type is not one to write."""
    from hrstyle.images import output_format

    try:
        output_format(photo.name)
    except InputError:
        return photo.with_suffix(".png").name
    return photo.name


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
    except KeyboardInterrupt:
        sys.exit(130)

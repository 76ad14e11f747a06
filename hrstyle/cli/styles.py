"""`hrstyle styles`: list the bundled styles, or repaint a photo in all of them."""

import argparse
import math
import sys
from typing import TYPE_CHECKING, Any

from hrstyle.cli.options import add_existing, add_json, existing, report
from hrstyle.errors import InputError

if TYPE_CHECKING:
    from hrstyle.inference import Stylizer

_EPILOG = """\
examples:
  hrstyle styles
  hrstyle styles --sheet photo.jpg -o sheet.png
"""
SIZE = 480
"""Longer side in pixels of each picture on the sheet; the photo is repainted at this size."""


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    styles = commands.add_parser(
        "styles",
        help="list the bundled styles, or try all of them on a photo",
        description="List the bundled styles: name, title, artist, year. Or repaint a photo in all"
        " of them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = styles.add_argument
    add("--sheet", metavar="PHOTO", help="repaint this photo in every style, on one labelled sheet")
    add("-o", "--output", metavar="OUT", help="the sheet to write (.png, .jpg, .webp …)")
    add("--size", type=int, metavar="PX",
        help=f"longer side of each picture on the sheet ({SIZE})")  # fmt: skip
    add_existing(styles)
    add_json(styles)
    styles.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print one line per style, or write the sheet."""
    if arguments.sheet is not None:
        _write_sheet(arguments)
        return
    if arguments.output is not None or arguments.size is not None:
        raise InputError("-o and --size are for a sheet; add --sheet PHOTO")
    from hrstyle.styles.catalogue import gallery
    from hrstyle.styles.trained import list_styles

    fields = ("title", "artist", "year")
    rows = [
        {"name": name} | {f: getattr(gallery()[name], f) for f in fields} for name in list_styles()
    ]
    widths = {field: max(len(str(row[field])) for row in rows) for field in rows[0]}
    for row in rows:
        line = "  ".join(str(row[field] or "").ljust(widths[field]) for field in row)
        report(arguments, line.rstrip(), **row)


def _write_sheet(arguments: argparse.Namespace) -> None:
    from PIL import Image, ImageOps
    from tqdm import tqdm

    from hrstyle.cli.quick import quick_stylizer
    from hrstyle.engine.options import StylizeOptions
    from hrstyle.images.formats import trust_files
    from hrstyle.images.outputs import plan_output
    from hrstyle.images.reading import open_image, to_rgb
    from hrstyle.images.sheets import grid, grid_size, titled_row
    from hrstyle.images.writing import check_longest, save_image
    from hrstyle.styles.trained import list_styles

    trust_files()
    if arguments.output is None:
        raise InputError("name the sheet to write with -o OUT")
    size = SIZE if arguments.size is None else arguments.size
    StylizeOptions(size=size)  # checks the size
    source, target, _ = plan_output(arguments.sheet, arguments.output, existing=existing(arguments))
    whole = to_rgb(open_image(source, at_least=2 * size))
    photo = ImageOps.contain(whole, (size, size), Image.Resampling.LANCZOS)
    names = list_styles()
    tiles = [titled_row([photo], "the photo", size=photo.size)]
    columns = math.ceil(math.sqrt(1 + len(names)))
    check_longest(target, max(grid_size(tiles[0].size, 1 + len(names), columns=columns)))
    for name in tqdm(names, unit="style", disable=not sys.stderr.isatty(), leave=False):
        painted = (quick_stylizer(name) or _load(name)).stylize(photo)
        tiles.append(titled_row([painted], name, size=photo.size))
    sheet = grid(tiles, columns=columns)
    save_image(sheet, target)
    described = {"input": str(source), "output": str(target)}
    line = f"{target}: {sheet.width}x{sheet.height}, {len(names)} styles"
    report(arguments, line, **described, width=sheet.width, height=sheet.height, styles=names)


def _load(name: str) -> "Stylizer":
    from hrstyle.inference import load  # here, because PyTorch is slow to import

    return load(name)

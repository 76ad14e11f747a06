"""Draw the README's picture: the same four photos in every bundled style.

    python scripts/contact_sheet.py gallery.jpg

On the left is the painting if it is in the package, else its name. The photos come with scikit-
image and are in the public domain or CC0.
"""

import argparse
import textwrap
import unicodedata

from PIL import Image, ImageDraw, ImageFont, ImageOps
from tqdm import tqdm

import hrstyle
from hrstyle.entry import bad_input_exits
from hrstyle.files import open_atomically
from hrstyle.images import grid, open_image, titled_row, to_pil, to_rgb
from hrstyle.styles import Style, gallery, list_styles, picture_names
from hrstyle.train.data import sample_path

PHOTOS = ("chelsea.png", "astronaut.png", "coffee.png", "rocket.jpg")
CELL = (236, 176)
PAINTED = 480
"""Longer side in pixels at which photos are repainted; strokes stay visible but fine."""
BLOCKS = 2
"""Styles side by side."""
QUALITY = 58
"""JPEG quality that keeps the file below 1 MB."""


def painting(style: Style) -> Image.Image:
    """The painting, or a card with its title if it is not in the package."""
    if style.image in picture_names():
        return to_pil(style.load())
    card = Image.new("RGB", CELL, "#e8e4dc")
    lines = "\n".join(
        [*textwrap.wrap(str(style.title), 24), "", str(style.artist), str(style.year)]
    )
    ImageDraw.Draw(card).multiline_text(
        (CELL[0] / 2, CELL[1] / 2),
        lines,
        fill="#444444",
        font=ImageFont.load_default(size=16),
        anchor="mm",
        align="center",
    )
    return card


def main() -> None:
    """Repaint and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", help="the picture to write, .jpg")
    arguments = parser.parse_args()
    photos = []
    for name in PHOTOS:
        photo = to_rgb(open_image(sample_path(name)))
        photos.append(ImageOps.contain(photo, (PAINTED, PAINTED), Image.Resampling.LANCZOS))
    empty = Image.new("RGB", CELL, "white")
    blocks = [titled_row([empty, *photos], "the photos", size=CELL)]
    for name in tqdm(list_styles(), desc="styles"):
        style, stylizer = gallery()[name], hrstyle.load(name)
        painted = [stylizer.stylize(photo) for photo in photos]
        # Pillow's built-in font has no accents.
        credit = unicodedata.normalize("NFKD", style.credit).encode("ascii", "ignore").decode()
        title = f"{name}    {credit}"
        blocks.append(titled_row([painting(style), *painted], title, size=CELL))
    with open_atomically(arguments.output) as file:
        grid(blocks, columns=BLOCKS).save(file, "JPEG", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    with bad_input_exits("contact_sheet.py"):
        main()

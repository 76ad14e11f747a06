"""Draw the README's picture: every style on the same four photos, its painting on the left.

    python scripts/contact_sheet.py gallery.jpg

The photos come with scikit-image and are in the public domain or CC0.
"""

import argparse
from pathlib import Path

from gallery import bad_input_exits, with_pictures
from PIL import Image, ImageDraw, ImageFont, ImageOps
from tqdm import tqdm

import hrstyle
from hrstyle.images import open_atomically, open_image, to_pil, to_rgb
from hrstyle.train.data import sample_path

PHOTOS = ("chelsea.png", "astronaut.png", "coffee.png", "rocket.jpg")
CELL = (240, 180)
PAINTED = 2 * CELL[0]
"""Longer side at which a photo is painted, so that strokes show and yet are fine in the sheet."""
HEAD = 26
BLOCKS = 2
"""Styles side by side."""
QUALITY = 75
"""Of the JPEG file, which is to stay below 1 MB."""


def block(pictures: list[Image.Image], title: str) -> Image.Image:
    """A row of pictures under its title."""
    width, height = CELL
    sheet = Image.new("RGB", (width * len(pictures), height + HEAD), "white")
    font = ImageFont.load_default(size=18)
    ImageDraw.Draw(sheet).text((4, 2), title, fill="black", font=font)
    for column, picture in enumerate(pictures):
        size = (width - 4, height - 4)
        # Rather the head than the feet.
        fitted = ImageOps.fit(picture, size, Image.Resampling.LANCZOS, centering=(0.5, 0.15))
        sheet.paste(fitted, (width * column + 2, HEAD))
    return sheet


def main() -> None:
    """Paint and paste."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", help="the picture to write, .jpg")
    parser.add_argument("--pictures", type=Path, help="folder with <style>.jpg, where not to fetch")
    arguments = parser.parse_args()
    photos = []
    for name in PHOTOS:
        photo = to_rgb(open_image(sample_path(name)))
        photos.append(ImageOps.contain(photo, (PAINTED, PAINTED), Image.Resampling.LANCZOS))
    empty = Image.new("RGB", CELL, "white")
    blocks = [block([empty, *photos], "the photos")]
    for name, style in tqdm(with_pictures(arguments.pictures).items(), desc="styles"):
        stylizer = hrstyle.load(name)
        painted = [stylizer.stylize(photo) for photo in photos]
        blocks.append(block([to_pil(style.load()), *painted], f"{name}    {style.credit}"))
    width, height = blocks[0].size
    rows = -(-len(blocks) // BLOCKS)
    sheet = Image.new("RGB", (BLOCKS * width, rows * height), "white")
    for number, picture in enumerate(blocks):
        sheet.paste(picture, (number % BLOCKS * width, number // BLOCKS * height))
    with open_atomically(arguments.output) as file:
        sheet.save(file, "JPEG", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    with bad_input_exits("contact_sheet.py"):
        main()

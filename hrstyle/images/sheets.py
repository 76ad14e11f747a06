"""Contact sheets: many pictures on one, each row of them under its title."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

PILImage = Image.Image
MARGIN = 2
"""Around a picture, in pixels."""
_HEAD, _LETTERS = 26, 18


def titled_row(pictures: Sequence[PILImage], title: str, *, size: tuple[int, int]) -> PILImage:
    """Pictures side by side under a title; each is fitted into the same size.

    Args:
        pictures: of any size and mode; what is too wide or too high is cropped, rather at the feet
            than at the head.
        title: one line.
        size: width and height of a picture.
    """
    width, height = size[0] + 2 * MARGIN, size[1] + 2 * MARGIN
    row = Image.new("RGB", (width * len(pictures), height + _HEAD), "white")
    font = ImageFont.load_default(size=_LETTERS)
    ImageDraw.Draw(row).text((2 * MARGIN, MARGIN), title, fill="black", font=font)
    for column, picture in enumerate(pictures):
        fitted = ImageOps.fit(picture, size, Image.Resampling.LANCZOS, centering=(0.5, 0.15))
        row.paste(fitted, (width * column + MARGIN, _HEAD))
    return row


def grid(tiles: Sequence[PILImage], *, columns: int) -> PILImage:
    """Pictures of one size, line by line, on white."""
    width, height = tiles[0].size
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % columns * width, number // columns * height))
    return sheet

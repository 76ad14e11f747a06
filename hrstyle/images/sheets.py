"""Contact sheets: rows of pictures, each row under its title."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

MARGIN = 2
"""Margin around each picture, in pixels."""
_TITLE_HEIGHT, _FONT_SIZE = 26, 18


def titled_row(
    pictures: Sequence[Image.Image], title: str, *, size: tuple[int, int]
) -> Image.Image:
    """Pictures side by side under a title, each resized and cropped to the same size.

    Args:
        pictures: of any size and mode. Those that are too high are cropped more at the bottom than
            at the top, to keep heads.
        title: one line of text.
        size: width and height of each picture.
    """
    width, height = size[0] + 2 * MARGIN, size[1] + 2 * MARGIN
    row = Image.new("RGB", (width * len(pictures), height + _TITLE_HEIGHT), "white")
    font = ImageFont.load_default(size=_FONT_SIZE)
    ImageDraw.Draw(row).text((2 * MARGIN, MARGIN), title, fill="black", font=font)
    for column, picture in enumerate(pictures):
        fitted = ImageOps.fit(picture, size, Image.Resampling.LANCZOS, centering=(0.5, 0.15))
        row.paste(fitted, (width * column + MARGIN, _TITLE_HEIGHT))
    return row


def grid_size(tile: tuple[int, int], count: int, *, columns: int) -> tuple[int, int]:
    """Width and height of a `grid` of `count` tiles of this width and height."""
    width, height = tile
    return columns * width, -(-count // columns) * height


def grid(tiles: Sequence[Image.Image], *, columns: int) -> Image.Image:
    """Pictures of one size in rows of `columns`, on a white sheet."""
    width, height = tiles[0].size
    size = grid_size((width, height), len(tiles), columns=columns)
    sheet = Image.new("RGB", size, "white")
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % columns * width, number // columns * height))
    return sheet

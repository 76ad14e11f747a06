"""Draw scripts/strokes.jpg: a large photo repainted in one pass, and with larger strokes.

    python scripts/strokes.py PHOTO scripts/strokes.jpg

Left: one pass of the network over the whole photo. Right: the default of stylize, or --stroke-size.
Above: the whole picture. Below: a piece at full resolution.
"""

import argparse

from PIL import Image, ImageOps

import hrstyle
from hrstyle.entry import bad_input_exits
from hrstyle.files import open_atomically
from hrstyle.images import open_image, to_rgb

WIDTH, HEIGHT = 700, 420


def main() -> None:
    """Repaint and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photo", help="about 4000 px wide")
    parser.add_argument("output", help="the picture to write, .jpg")
    parser.add_argument("--style", default="starry_night")
    parser.add_argument("--stroke-size", type=float, help="default: chosen by the photo's size")
    parser.add_argument("--at", type=float, nargs=2, metavar=("X", "Y"), default=(0.5, 0.5),
                        help="position of the piece, as shares of width and height")  # fmt: skip
    arguments = parser.parse_args()
    photo = to_rgb(open_image(arguments.photo))
    stylizer = hrstyle.load(arguments.style)
    sheet = Image.new("RGB", (2 * WIDTH, 2 * HEIGHT), "white")
    for column, how in enumerate(
        ({"stroke_size": 1, "brush": False}, {"stroke_size": arguments.stroke_size})
    ):
        painted = stylizer.stylize(photo, progress=True, **how)
        left, top = (
            round((length - piece) * share)
            for length, piece, share in zip(
                painted.size, (WIDTH, HEIGHT), arguments.at, strict=True
            )
        )
        whole = ImageOps.fit(painted, (WIDTH - 4, HEIGHT - 4), Image.Resampling.LANCZOS)
        sheet.paste(whole, (column * WIDTH, 0))
        piece = painted.crop((left, top, left + WIDTH - 4, top + HEIGHT - 4))
        sheet.paste(piece, (column * WIDTH, HEIGHT))
    with open_atomically(arguments.output) as file:
        sheet.save(file, "JPEG", quality=80, optimize=True)


if __name__ == "__main__":
    with bad_input_exits("strokes.py"):
        main()

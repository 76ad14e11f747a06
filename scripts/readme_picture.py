"""Draw the README's picture: photos of scikit-image (public domain, CC0) above their repaints.

python scripts/readme_picture.py notebooks/starry_night.jpg
"""

import argparse

import torch
from PIL import ImageOps
from torchvision.utils import make_grid

import hrstyle
from hrstyle.images import open_image, save_image, to_pil, to_rgb, to_tensor
from hrstyle.train.data import sample_path

PHOTOS = ("chelsea.png", "camera.png", "coffee.png", "rocket.jpg")
SIZE = (400, 267)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("output")
    parser.add_argument("--style", default="starry_night", help="a bundled style or a file")
    arguments = parser.parse_args()
    stylizer = hrstyle.load(arguments.style)
    photos = [to_rgb(open_image(sample_path(name))) for name in PHOTOS]
    # Repaint at full size, then shrink, so that the picture shows what a user gets.
    painted = [stylizer.stylize(photo) for photo in photos]
    tiles = [to_tensor(ImageOps.fit(picture, SIZE)) for picture in (*photos, *painted)]
    grid = make_grid(torch.cat(tiles), nrow=len(PHOTOS), padding=4, pad_value=1.0)
    save_image(to_pil(grid), arguments.output)


if __name__ == "__main__":
    main()

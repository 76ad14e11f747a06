"""Draw the web page's thumbnails of the styles, hrstyle/web/thumbnails/.

    python scripts/web_thumbnails.py

They show the face of Chelsea, the cat of scikit-image, in every bundled style. Run it again when
weights change.
"""

from importlib.resources import files
from pathlib import Path

from PIL import Image

import hrstyle
from hrstyle.images import PILImage, open_image, save_image
from hrstyle.styles import list_styles
from hrstyle.web.studio import THUMBNAILS

BOX = (70, 10, 350, 290)  # of chelsea.png
SIDE = 144


def draw(style: str) -> PILImage:
    """The thumbnail of one style."""
    photo = open_image(Path(str(files("skimage.data") / "chelsea.png"))).crop(BOX)
    painted = hrstyle.load(style, engine="torch").stylize(photo)
    return painted.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    for name in list_styles():
        save_image(draw(name), THUMBNAILS / f"{name}.jpg", quality=80, strip=True)

"""Draw the web page's thumbnails of the bundled styles, hrstyle/web/thumbnails/.

    python scripts/web_thumbnails.py

Run it again when weights change.
"""

from hrstyle.images import save_image
from hrstyle.styles import list_styles
from hrstyle.web.choices import THUMBNAILS, draw

if __name__ == "__main__":
    for name in list_styles():
        save_image(draw(name), THUMBNAILS / f"{name}.jpg", quality=80, strip=True)

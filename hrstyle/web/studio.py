"""Check the requests of the web page's visitors, and repaint their photos."""

import os
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hrstyle import styles
from hrstyle.errors import InputError
from hrstyle.images.photos import as_picture, read_photo
from hrstyle.images.reading import PILImage, open_image
from hrstyle.images.writing import save_image
from hrstyle.inference import Stylizer, load
from hrstyle.options import DEFAULTS, StylizeOptions

MAX_PIXELS = 50_000_000
"""Default of the maximal number of pixels of a photo."""
MAX_PHOTOS = 20
"""Maximal number of photos per request."""
PREVIEW_SIDE = 1280
"""Maximal longer side in pixels of the pictures on the page; the result has the photo's size."""
MAX_MEMORY = "1GB"
"""Memory of a pass; a photo that needs more is streamed."""
THUMBNAILS = Path(__file__).parent / "thumbnails"
"""Folder with a small repaint of each style, drawn by scripts/web_thumbnails.py."""
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "HEIF", "JXL")
"""Formats accepted from visitors. Of Pillow's others, EPS runs an external program."""


@dataclass(frozen=True, kw_only=True)
class Repaint:
    """Files of one repaint: the result, and the previews of photo and result."""

    file: Path
    before: Path
    after: Path


@dataclass(frozen=True, kw_only=True)
class Studio:
    """Repaints visitors' photos.

    Args:
        folder: the folder for results; each gets a subfolder with a random name.
        max_pixels: maximal number of pixels of a photo, also after enlarging it for fine strokes.
    """

    folder: Path
    max_pixels: int = MAX_PIXELS

    def paint(
        self,
        path: str | os.PathLike[str],
        stylizer: Stylizer,
        options: StylizeOptions = DEFAULTS,
    ) -> Repaint:
        """Repaint one photo.

        Args:
            path: the uploaded photo.
            stylizer: the style, see `find`.
            options: how the photo is repainted.

        Raises:
            InputError: the file is no picture, or too large.
        """
        photo = open_photo(Path(path), self.max_pixels, options.stroke_size or 1)
        result = stylizer.stylize(photo, progress=True, options=options, max_memory=MAX_MEMORY)
        folder = self.folder / secrets.token_hex(16)
        folder.mkdir()
        repaint = Repaint(
            file=folder / f"{Path(path).stem}-{stylizer.style.replace(' + ', '-')}.png",
            before=folder / "before.webp",
            after=folder / "after.webp",
        )
        save_image(result, repaint.file)
        save_image(preview(photo), repaint.before, strip=True)
        save_image(preview(result), repaint.after, strip=True)
        return repaint


def find(style: str, second: str | None = None, share: float = 0.0) -> Stylizer:
    """A bundled style, or a mixture of two.

    Args:
        style: its name. Paths are refused, because visitors can send any text.
        second: name of a second style, or None.
        share: share of the second style, from 0 to 1.

    Raises:
        InputError: no such style or share.
    """
    for name in (style,) if second is None else (style, second):
        if name not in styles.list_styles():
            raise InputError(
                f"there is no style named {str(name)[:40]!r}; the styles are"
                f" {', '.join(styles.list_styles())}"
            )
    if not (isinstance(share, int | float) and 0 <= share <= 1):
        raise InputError(f"share={share!r} of the second style must be from 0 to 1")
    if second in (None, style) or share == 0:
        second, share = None, 0
    return _load(style, second, share)


@lru_cache(maxsize=2)  # few, because each keeps its engine's memory
def _load(style: str, second: str | None, share: float) -> Stylizer:
    return load(style if second is None else {style: 1 - share, second: share})


def open_photo(path: Path, max_pixels: int, stroke_size: float = 1) -> PILImage:
    """Open a visitor's photo, upright. The number of pixels is checked before decoding.

    Args:
        path: the file.
        max_pixels: maximal number of pixels.
        stroke_size: below 1 the photo is repainted enlarged, and the enlarged size is checked.

    Raises:
        InputError: too many pixels, or no picture; the message names the file without its folder.
    """
    enlarged = 1 / min(1, stroke_size) ** 2

    def check(photo: PILImage) -> None:
        if photo.width * photo.height * enlarged > max_pixels:
            finer = " with such fine strokes" if enlarged > 1 else ""
            raise InputError(
                f"{path.name} has {photo.width}x{photo.height} pixels, too many{finer}: at most"
                f" {int(max_pixels / enlarged):,} are painted here, so reduce it first"
            )

    return open_image(path, name=path.name, formats=_FORMATS, check=check)


def preview(picture: PILImage) -> PILImage:
    """The picture in sRGB, reduced to `PREVIEW_SIDE`, with its transparency."""
    photo = read_photo(picture)
    image = as_picture(photo.pixels, photo)
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return image

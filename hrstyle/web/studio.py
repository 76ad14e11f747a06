"""Check the requests of the web page's visitors, and repaint their photos."""

import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hrstyle.engine.options import DEFAULTS, StylizeOptions
from hrstyle.errors import InputError
from hrstyle.images.metadata import kept_info
from hrstyle.images.photos import as_picture, read_photo
from hrstyle.images.reading import PILImage, alpha_of, open_image, to_rgb
from hrstyle.images.writing import save_image
from hrstyle.inference import Stylizer
from hrstyle.painting.blending import blend_images

MAX_PIXELS = 50_000_000
"""Default of the maximal number of pixels of a photo."""
MAX_PHOTOS = 20
"""Maximal number of photos per request."""
PREVIEW_SIDE = 1280
"""Maximal longer side in pixels of the pictures on the page; the result has the photo's size."""
MAX_MEMORY = "1GB"
"""Memory of a pass; a photo that needs more is streamed."""
_UNSHOWN = (".heic", ".heif", ".hif", ".jxl")
"""Endings of photos that most browsers cannot show."""
_SEPARATORS = "/\\:"  # of folders; a style may have any name
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "HEIF", "JXL")
"""Formats accepted from visitors. Of Pillow's others, EPS runs an external program."""


@dataclass(frozen=True, kw_only=True)
class Repaint:
    """Files of one repaint.

    Args:
        photo, before: the upload, and its preview.
        painted, preview: the style at its full strength, and its preview.
        file, after: the result, which is blended with the photo, and its preview.
    """

    photo: Path
    before: Path
    painted: Path
    preview: Path
    file: Path
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
        path = Path(path)
        photo = open_photo(path, self.max_pixels, options.stroke_size or 1)
        whole = replace(options, strength=1, keep_colours=False)
        painted = stylizer.stylize(photo, progress=True, options=whole, max_memory=MAX_MEMORY)
        folder = self._folder()
        name = f"{path.stem}-{stylizer.style.replace(' + ', '-')}"
        file = folder / f"{''.join('_' if c in _SEPARATORS else c for c in name)}.png"
        before, preview = folder / "before.webp", folder / "after.webp"
        save_image(painted, file)
        save_image(reduced(photo), before, strip=True)
        save_image(reduced(painted), preview, strip=True)
        repaint = Repaint(
            photo=path, before=before, painted=file, preview=preview, file=file, after=preview
        )
        return self.blend(repaint, options) if options.blends else repaint

    def blend(self, repaint: Repaint, options: StylizeOptions) -> Repaint:
        """The same repaint with another `strength` and `keep_colours`, without a new pass.

        Raises:
            InputError: the photo was deleted in the meantime.
        """
        painted, photo = _kept(repaint.painted), _kept(repaint.photo)
        result = blend_images(painted, photo, **_blending(options))
        file = self._folder() / repaint.file.name
        save_image(result, file)
        return replace(repaint, file=file, after=self.blend_preview(repaint, options))

    def blend_preview(self, repaint: Repaint, options: StylizeOptions) -> Path:
        """A preview of `blend`, in a moment: of the previews of photo and painting.

        Raises:
            InputError: the photo was deleted in the meantime.
        """
        painted, photo = _kept(repaint.preview), _kept(repaint.before)
        after = self._folder() / "after.webp"
        save_image(blend_images(painted, photo, **_blending(options)), after, strip=True)
        return after

    def showable(self, path: str) -> str:
        """The photo, or a copy of a HEIC or JPEG XL that browsers can show; metadata are kept."""
        if not path.lower().endswith(_UNSHOWN):
            return path
        try:
            photo = open_photo(Path(path), self.max_pixels)
        except InputError:  # which `paint` tells
            return path
        ending = ".jpg" if alpha_of(photo) is None else ".png"
        copy = self._folder() / f"{Path(path).stem}{ending}"
        image = to_rgb(photo) if ending == ".jpg" else photo
        image.info.update(kept_info(photo))
        save_image(image, copy)
        return str(copy)

    def _folder(self) -> Path:
        folder = self.folder / secrets.token_hex(16)
        folder.mkdir()
        return folder


def _blending(options: StylizeOptions) -> dict[str, Any]:
    return {"strength": options.strength, "keep_colours": options.keep_colours}


def _kept(path: Path) -> PILImage:
    """A picture of a visitor's, which `delete_old_files` may have deleted."""
    if not path.is_file():
        raise InputError("the photo was deleted in the meantime; paint it again")
    return open_image(path)


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


def reduced(picture: PILImage) -> PILImage:
    """The picture in sRGB, reduced to `PREVIEW_SIDE`, with its transparency."""
    photo = read_photo(picture)
    image = as_picture(photo.pixels, photo)
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return image

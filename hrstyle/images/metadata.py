"""What a picture's file holds besides pixels: EXIF, resolution, colour profile.

A Pillow image carries it in `info`, and so does a repaint: what is the photo's own, without what no
longer holds. XMP is left out, because it points into the photo's file (gain maps, motion pictures).
"""

import math
from functools import cache
from typing import Any

from PIL import ExifTags, Image, ImageCms

PILImage = Image.Image
_KEPT = ("exif", "dpi")
# How a TIFF stores its pixels is among its EXIF tags, and so are its colour profile and XMP.
_STORAGE = (
    *(254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284),
    *(288, 289, 290, 291, 292, 293, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330),
    *(332, 333, 334, 336, 337, 338, 339, 340, 341, 342, 347, 512, 513, 514, 515, 517, 518, 519),
    *(520, 521, 529, 530, 531, 532, 700, 34377, 34675, 37724),
)
_LONGEST_IN_JPEG = 65533  # of one segment, less its own length


@cache
def srgb_profile() -> bytes:
    """The ICC profile of sRGB, the same on every day."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = (2000).to_bytes(2) + (1).to_bytes(2) * 2 + bytes(6)  # when it was made
    return bytes(profile)


def exif_of(image: PILImage) -> bytes:
    """The EXIF of a picture that has been turned upright: without orientation and thumbnail.

    Empty where there is none, or a damaged one, which is no reason not to paint.
    """
    try:
        exif = Image.Exif()
        exif.load(image.getexif().tobytes())  # a copy, so that the caller's stays as it is
        for tag in (*_STORAGE, ExifTags.Base.Orientation):
            exif.pop(tag, None)
        return exif.tobytes() if len(exif) else b""
    except Exception:  # Pillow raises all sorts of types here
        return b""


def kept_info(photo: PILImage) -> dict[str, Any]:
    """The entries of a photo's `info` that are its repaint's too, and the profile of sRGB."""
    kept = {key: photo.info[key] for key in _KEPT if photo.info.get(key)}
    return kept | {"icc_profile": srgb_profile()}


def save_options(image: PILImage, file_format: str, *, strip: bool) -> dict[str, Any]:
    """What Pillow's `save` is to be told of an sRGB picture's metadata; with `strip`, of none."""
    if strip:
        # None: Pillow itself would take the profile from the picture's `info`.
        return {"icc_profile": None}
    options: dict[str, Any] = {"icc_profile": srgb_profile()}
    exif = _exif_for(image)
    if exif and not (file_format == "JPEG" and len(exif) > _LONGEST_IN_JPEG):
        options["exif"] = exif
    dpi = image.info.get("dpi", ())
    if len(dpi) == 2 and all(math.isfinite(x) and 1 <= x <= 65535 for x in dpi):
        options["dpi"] = tuple(float(x) for x in dpi)
    return options


def _exif_for(image: PILImage) -> bytes:
    """The EXIF in a picture's `info`, with its present size and colour space."""
    if not image.info.get("exif"):
        return b""
    try:
        exif = Image.Exif()
        exif.load(image.info["exif"])
        details = exif.get_ifd(ExifTags.IFD.Exif) if ExifTags.IFD.Exif in exif else {}
        for tag, value in (
            (ExifTags.Base.ExifImageWidth, image.width),
            (ExifTags.Base.ExifImageHeight, image.height),
            (ExifTags.Base.ColorSpace, 1),  # sRGB
        ):
            if tag in details:
                details[tag] = value
        return exif.tobytes() if len(exif) else b""
    except Exception:  # see `exif_of`
        return b""

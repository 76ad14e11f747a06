"""Metadata of pictures: EXIF, resolution and colour profile.

A Pillow image has its metadata in `info`. A repaint takes over the photo's metadata, except entries
that are no longer true of it. XMP is dropped, because it refers to other parts of the photo's file
(gain maps, motion pictures).
"""

import math
from functools import cache
from typing import Any

from PIL import ExifTags, Image, ImageCms

_KEPT_KEYS = ("exif", "dpi")
# A TIFF's EXIF also holds tags about the storage of its pixels, its colour profile and XMP.
_STORAGE_TAGS = (
    *(254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284),
    *(288, 289, 290, 291, 292, 293, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330),
    *(332, 333, 334, 336, 337, 338, 339, 340, 341, 342, 347, 512, 513, 514, 515, 517, 518, 519),
    *(520, 521, 529, 530, 531, 532, 700, 34377, 34675, 37724),
)
_LONGEST_IN_JPEG = 65533  # bytes of one segment, without its length field


@cache
def srgb_profile() -> bytes:
    """The ICC profile of sRGB, with a fixed date, so that files are reproducible."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = (2000).to_bytes(2) + (1).to_bytes(2) * 2 + bytes(6)  # the date of creation
    return bytes(profile)


def exif_of(image: Image.Image) -> bytes:
    """The EXIF of a picture for its upright copy: without orientation and thumbnail.

    Empty if there is none, or if it is damaged.
    """
    try:
        exif = Image.Exif()
        exif.load(image.getexif().tobytes())  # a copy: the caller's must not change
        for tag in (*_STORAGE_TAGS, ExifTags.Base.Orientation):
            exif.pop(tag, None)
        return exif.tobytes() if len(exif) else b""
    except Exception:  # Pillow raises many types for damaged EXIF
        return b""


def kept_info(photo: Image.Image) -> dict[str, Any]:
    """The entries of a photo's `info` that its repaint keeps, with the sRGB profile."""
    kept = {key: photo.info[key] for key in _KEPT_KEYS if photo.info.get(key)}
    return kept | {"icc_profile": srgb_profile()}


def save_options(image: Image.Image, file_format: str, *, strip: bool) -> dict[str, Any]:
    """Keyword arguments of Pillow's `save` for an sRGB picture's metadata; `strip` omits it all."""
    if strip:
        # Without this None, Pillow would write the profile in the picture's `info`.
        return {"icc_profile": None}
    options: dict[str, Any] = {"icc_profile": srgb_profile()}
    exif = _exif_for(image)
    if exif and not (file_format == "JPEG" and len(exif) > _LONGEST_IN_JPEG):
        options["exif"] = exif
    dpi = image.info.get("dpi", ())
    if len(dpi) == 2 and all(math.isfinite(x) and 1 <= x <= 65535 for x in dpi):
        options["dpi"] = tuple(float(x) for x in dpi)
    return options


def _exif_for(image: Image.Image) -> bytes:
    """The EXIF in a picture's `info`, updated to its current size and colour space."""
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

"""Odd and bad files, made here: each is repainted rightly or refused in one sentence that names it.

Nothing else is printed, and no result differs from what the file holds.
"""

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from hrstyle.errors import InputError
from hrstyle.generator import pyramid
from hrstyle.images import alpha_of, open_image, save_image, to_array
from hrstyle.inference import Stylizer

ROWS, COLUMNS = np.mgrid[:16, :24]
COLOURS = np.stack([COLUMNS * 10, ROWS * 15, 255 - COLUMNS * 5 - ROWS * 5], axis=2).astype(np.uint8)
GREY = COLOURS[..., 0]
PICTURE = Image.fromarray(COLOURS)


@dataclass
class Case:
    """What `write` puts at a path is the picture `expected`, or no picture (None)."""

    name: str
    write: Callable[[Path], Any]
    expected: np.ndarray | None = None
    tolerance: float = 0  # of the mean difference, in steps of 1/255
    or_refused: bool = False


def as_grey(array):
    return np.repeat(array[..., None], 3, axis=2)


def encoded(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def saved(image, **options):
    return lambda path: image.save(path, **options)


def holding(data):
    return lambda path: path.write_bytes(data)


def png(width, height, depth, colour, rows, *chunks):
    """A PNG as its specification has it, for what Pillow does not write."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = [chunk(b"IHDR", header), *(chunk(*c) for c in chunks)]
    body += [chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body) + chunk(b"IEND", b"")


# How many steps of 1/255 a lossy format is off on average.
LOSSY = {"JPEG": 5, "WEBP": 5, "AVIF": 5, "JPEG2000": 5, "GIF": 8}


def cut_off():
    for ending, kind in [
        ("png", "PNG"), ("jpg", "JPEG"), ("tif", "TIFF"), ("webp", "WEBP"), ("bmp", "BMP"),
        ("gif", "GIF"),
    ]:  # fmt: skip
        whole = encoded(PICTURE, kind)
        tolerance = LOSSY.get(kind, 0)
        for share in (0.02, 0.3, 0.6, 0.97):
            data = whole[: int(len(whole) * share)]
            # What is cut off at the very end may be no part of the picture.
            yield Case(f"cut-{share}.{ending}", holding(data), COLOURS, tolerance, True)
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 0xFF
        # Not every format has a sum that would tell; the size is right in any case.
        yield Case(f"flipped.{ending}", holding(bytes(flipped)), COLOURS, 255, True)


def kinds_of_pixels():
    yield Case("bits.png", saved(Image.fromarray(GREY > 99)), as_grey((GREY > 99) * 255))
    yield Case("grey.png", saved(Image.fromarray(GREY)), as_grey(GREY))
    yield Case("grey-alpha.png", saved(Image.fromarray(GREY).convert("LA")), as_grey(GREY))
    palette = Image.fromarray(GREY).convert("P")
    yield Case("palette.png", saved(palette), as_grey(GREY))
    yield Case("palette-clear.png", saved(palette, transparency=3), as_grey(GREY))
    clear = bytes(range(256))
    yield Case("palette-alphas.png", saved(palette, transparency=clear), as_grey(GREY))
    yield Case("key-colour.png", saved(PICTURE, transparency=(0, 0, 255)), COLOURS)
    yield Case("alpha.png", saved(PICTURE.convert("RGBA")), COLOURS)
    yield Case("alpha.tif", saved(PICTURE.convert("RGBA")), COLOURS)
    yield Case("alpha.webp", saved(PICTURE.convert("RGBA"), lossless=True), COLOURS)
    yield Case("print.jpg", saved(PICTURE.convert("CMYK"), quality=100), COLOURS, 3)
    yield Case("print.tif", saved(PICTURE.convert("CMYK")), COLOURS, 1)
    yield Case(
        "video.tif", saved(PICTURE.convert("YCbCr")), COLOURS, 1.5, True
    )  # not in every Pillow
    yield Case("progressive.jpg", saved(PICTURE, progressive=True, quality=95), COLOURS, 3)
    yield Case("grey.jpg", saved(Image.fromarray(GREY), quality=95), as_grey(GREY), 3)
    yield Case("deflated.tif", saved(PICTURE, compression="tiff_adobe_deflate"), COLOURS)
    yield Case("lzw.tif", saved(PICTURE, compression="tiff_lzw"), COLOURS)


def depths():
    deep = GREY.astype(np.uint16) * 257
    yield Case("deep.png", saved(Image.fromarray(deep)), as_grey(GREY))
    yield Case("deep.tif", saved(Image.fromarray(deep)), as_grey(GREY))
    yield Case("deep-big-endian.tif", saved(Image.fromarray(deep.astype(">u2"))), as_grey(GREY))
    yield Case("32-bit.tif", saved(Image.fromarray(deep.astype(np.int32))), as_grey(GREY))
    colours = [row.astype(">u2") * 257 for row in COLOURS]
    rows = [row.astype(">u2").tobytes() for row in colours]
    yield Case("deep-colours.png", holding(png(24, 16, 16, 2, rows)), COLOURS, 1)
    half = [bytes(a << 4 | b for a, b in zip(r[::2], r[1::2], strict=True)) for r in GREY // 17]
    yield Case("4-bit.png", holding(png(24, 16, 4, 0, half)), as_grey(GREY // 17 * 17))
    values = GREY.astype(np.float32)
    yield Case("float.tif", saved(Image.fromarray(values)), as_grey(GREY))
    yield Case("float-to-1.tif", saved(Image.fromarray(values / 255)), as_grey(GREY))
    for name, bad, shown in [("nan", np.nan, 0), ("inf", np.inf, 255), ("minus-inf", -np.inf, 0)]:
        for white in (1, 255):
            odd, right = values * (white / 255), GREY.copy()
            odd[3, 5], right[3, 5] = bad, shown
            yield Case(f"float-{name}-{white}.tif", saved(Image.fromarray(odd)), as_grey(right))
    nothing = np.full_like(values, np.nan)
    yield Case("all-nan.tif", saved(Image.fromarray(nothing)), as_grey(np.zeros_like(GREY)))


def sizes():
    for width, height in [(1, 1), (2, 1), (1, 2), (3, 3), (3000, 1), (1, 3000), (17, 15)]:
        array = np.resize(COLOURS, (height, width, 3))
        yield Case(f"{width}x{height}.png", saved(Image.fromarray(array)), array)
    yield Case("0x0.png", holding(png(0, 0, 8, 2, [])))
    yield Case("0x5.bmp", holding(encoded(PICTURE, "BMP")[:18] + bytes(8)))


def orientations():
    upright = COLOURS
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
        0: upright,  # none that the standard knows
        9: upright,
    }
    for number, array in stored.items():
        exif = Image.Exif()
        exif[0x0112] = number
        image = Image.fromarray(np.ascontiguousarray(array))
        yield Case(f"turned-{number}.png", saved(image, exif=exif), upright)
        yield Case(f"turned-{number}.jpg", saved(image, exif=exif, quality=95), upright, 3)
        yield Case(f"turned-{number}.tif", saved(image, exif=exif), upright)
    yield Case(
        "exif-nonsense.jpg", saved(PICTURE, exif=b"Exif\0\0nonsense", quality=95), COLOURS, 3
    )
    yield Case("exif-cut.jpg", saved(PICTURE, exif=exif.tobytes()[:20], quality=95), COLOURS, 3)


def profiles():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for name, profile in [
        ("good", srgb), ("nonsense", b"nonsense"), ("cut", srgb[:100]), ("other", lab),
        ("zeros", bytes(500)), ("one", b"\0"),
    ]:  # fmt: skip
        yield Case(f"icc-{name}.png", saved(PICTURE, icc_profile=profile), COLOURS, 1)
    yield Case("icc-in-grey.png", saved(Image.fromarray(GREY), icc_profile=srgb), as_grey(GREY), 1)
    bomb = b"x\0\0" + zlib.compress(bytes(80 * 2**20))
    rows = [row.tobytes() for row in COLOURS]
    yield Case("icc-bomb.png", holding(png(24, 16, 8, 2, rows, (b"iCCP", bomb))), COLOURS, 0, True)
    yield Case("text-bomb.png", holding(png(24, 16, 8, 2, rows, (b"zTXt", bomb))), COLOURS, 0, True)


def names():
    data = encoded(PICTURE, "PNG")
    for name in [
        "ünïcödé 😀.png", "with spaces .png", "two\nlines.png", "-o.png", "--help", "100%s%d.png",
        "*[a-z]?.png", "#1;&|$HOME.png", "it's \"quoted\".png", "\x1b[31mred.png", ".hidden.png",
        "CAPITALS.PNG", "no_ending", "wrong.jpg", "x" * 200 + ".png", os.fsdecode(b"\xff\xfe.png"),
    ]:  # fmt: skip
        yield Case(name, holding(data), COLOURS)


def bombs():
    """Small files that claim to be huge pictures."""
    huge = struct.pack("<ii", 60000, 60000)
    yield Case("bomb.png", holding(png(60000, 60000, 8, 2, [b""])))
    yield Case("bomb-most.png", holding(png(2**31 - 1, 2**31 - 1, 16, 6, [b""])))
    bmp = bytearray(encoded(PICTURE, "BMP"))
    bmp[18:26] = huge
    yield Case("bomb.bmp", holding(bytes(bmp)))
    gif = bytearray(encoded(PICTURE, "GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    yield Case("bomb.gif", holding(bytes(gif)))
    jpeg = bytearray(encoded(PICTURE, "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = b"\xff\xdc\xff\xdc"
    yield Case("bomb.jpg", holding(bytes(jpeg)))
    yield Case("bomb.ppm", holding(b"P6 60000 60000 255\n"))
    yield Case("bomb.tif", saved_as_huge_tiff)


def saved_as_huge_tiff(path):
    data = bytearray(encoded(PICTURE, "TIFF"))
    for tag in (256, 257):  # width and height
        entry = data.index(struct.pack("<H", tag), int.from_bytes(data[4:8], "little"))
        data[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, 60000)
    path.write_bytes(bytes(data))


def no_files():
    yield Case("folder.png", Path.mkdir)
    yield Case("gone.png", lambda path: None)
    yield Case("dangling.png", lambda path: path.symlink_to(path.with_name("gone")))
    yield Case("loop.png", lambda path: path.symlink_to(path))
    yield Case("gone/in/a/folder.png", lambda path: None)
    yield Case("nul\0.png", lambda path: None)
    yield Case("x" * 300 + ".png", lambda path: None)
    yield Case("link.png", linked, COLOURS)


def linked(path):
    PICTURE.save(path.with_name("target.png"))
    path.symlink_to("target.png")


def other_files():
    yield Case("empty.png", holding(b""))
    yield Case("text.jpg", holding(b"not a picture"))
    yield Case("page.jpg", holding(b"<!DOCTYPE html><html><body>404</body></html>"))
    yield Case("archive.png", holding(b"PK\x03\x04" + bytes(100)))
    yield Case("vector.svg", holding(b'<svg xmlns="http://www.w3.org/2000/svg"/>'))
    yield Case("zeros.png", holding(bytes(10000)))
    yield Case("noise.jpg", holding(np.random.default_rng(0).bytes(10000)))
    yield Case("header.jpg", holding(b"\xff\xd8\xff\xe0" + bytes(100)))
    yield Case("after-the-end.png", holding(encoded(PICTURE, "PNG") + bytes(1000)), COLOURS)
    yield Case("bad-sum.png", holding(encoded(PICTURE, "PNG").replace(b"IEND\xaeB", b"IEND\0\0")),
               COLOURS, 0, True)  # fmt: skip
    frames = [PICTURE, Image.new("RGB", PICTURE.size)]
    for ending, options in [("gif", {}), ("webp", {"lossless": True}), ("tif", {}), ("png", {})]:
        several = {"save_all": True, "append_images": frames[1:], **options}
        tolerance = LOSSY["GIF"] if ending == "gif" else 0
        yield Case(f"several.{ending}", saved(PICTURE, **several), COLOURS, tolerance)
    for ending in ("tga", "pcx", "ppm", "dib", "sgi"):
        yield Case(f"old.{ending}", saved(PICTURE), COLOURS)
    yield Case("new.jp2", saved(PICTURE), COLOURS, 3)
    if ".avif" in Image.registered_extensions():
        yield Case("new.avif", saved(PICTURE, quality=90), COLOURS, 5)


GROUPS = (
    cut_off, kinds_of_pixels, depths, sizes, orientations, profiles, names, bombs, no_files,
    other_files,
)  # fmt: skip
CASES = [case for group in GROUPS for case in group()]


def test_there_are_at_least_a_hundred():
    assert len({case.name for case in CASES}) == len(CASES) >= 100


@pytest.fixture(scope="module")
def stylizer():
    tiny = pyramid(channels=(2, 2), blocks=(0,))
    return Stylizer(tiny, style="tiny", device="cpu", engine="torch")


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case.name)[1:40])
def test_an_odd_file_is_painted_right_or_refused_in_a_sentence(case, stylizer, tmp_path, capfd):
    path = tmp_path / case.name
    case.write(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result, refusal = repainted(path, stylizer, tmp_path / "result.png")
    assert not caught
    assert capfd.readouterr() == ("", "")
    if refusal is None:
        assert case.expected is not None
        assert result.size == case.expected.shape[1::-1]
        image = open_image(path)
        difference = np.abs(to_array(image).astype(int) - case.expected)
        if (alpha := alpha_of(image)) is not None:
            difference = difference[np.asarray(alpha) > 0]  # the others may be of any colour
        assert difference.mean() <= case.tolerance
    else:
        assert case.expected is None or case.or_refused, refusal
        assert refusal.isprintable()
        assert shown(str(path)) in refusal
        assert not (tmp_path / "result.png").exists()


def repainted(path, stylizer, target):
    """The repaint and None, or None and the sentence that says why not."""
    try:
        save_image(stylizer.stylize(path), target)
        return open_image(target), None
    except InputError as error:
        return None, str(error)


def shown(name):
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)

import io
import struct
import warnings

import numpy as np
import pytest
from PIL import Image, ImageCms

from hrstyle.errors import InputError
from hrstyle.images import (
    alpha_of,
    from_array,
    image_of,
    open_image,
    size_and_frames,
    to_rgb,
    upright,
)

GRADIENT = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (4, 2))
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    image.save(tmp_path / "turned.png", exif=exif)
    upright = open_image(tmp_path / "turned.png")
    assert upright.size == (2, 4)
    assert upright.getpixel((1, 0)) == (255, 255, 255)


def test_16_bit_greyscale_is_scaled_not_clipped(tmp_path):
    deep = GRADIENT.astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "deep.png")
    for image in (open_image(tmp_path / "deep.png"), Image.fromarray(deep.astype(">u2"))):
        assert image.mode.startswith("I;16")
        assert np.array_equal(np.asarray(to_rgb(image))[..., 1], GRADIENT)


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(GRADIENT),
        Image.fromarray(GRADIENT).convert("RGB"),
        Image.fromarray(GRADIENT).convert("P"),
        Image.fromarray(GRADIENT).convert("LA"),
        Image.fromarray(GRADIENT).convert("RGBA"),
        Image.fromarray(GRADIENT.astype(np.int32)),
        Image.fromarray(GRADIENT.astype(np.int32) * 257),
        Image.fromarray(GRADIENT.astype(np.float32)),
        Image.fromarray(GRADIENT.astype(np.float32) / 255),
    ],
    ids=lambda image: image.mode,
)
def test_every_mode_gives_the_same_grey(image):
    rgb = to_rgb(image)
    assert rgb.mode == "RGB"
    assert np.array_equal(np.asarray(rgb), np.repeat(GRADIENT[..., None], 3, axis=2))


def test_pictures_of_one_bit_are_black_and_white():
    dots = Image.fromarray(GRADIENT > 127)
    assert dots.mode == "1"
    assert np.array_equal(np.asarray(to_rgb(dots))[..., 0], (GRADIENT > 127) * 255)


def test_cmyk_colours_come_out_right(tmp_path):
    colours = Image.new("RGB", (8, 8), (200, 30, 60))
    colours.convert("CMYK").save(tmp_path / "print.jpg", quality=100)
    image = open_image(tmp_path / "print.jpg")
    assert image.mode == "CMYK"
    assert np.abs(np.asarray(to_rgb(image)).astype(int) - (200, 30, 60)).max() <= 3


def test_an_embedded_colour_profile_is_honoured():
    # L* = 50, a* = b* = 0 (stored with an offset of 128) is the middle grey 119 in sRGB.
    lab = Image.merge("LAB", [Image.new("L", (4, 4), v) for v in (128, 128, 128)])
    lab.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert np.abs(np.asarray(to_rgb(lab)).astype(int) - 119).max() <= 2


# A grey profile whose values are light itself; in sRGB, half of it is 188.
LINEAR_GREY = (
    struct.pack(
        ">I4sI4s4s4s12s4s", 192, b"none", 0x02400000, b"mntr", b"GRAY", b"XYZ ", b"", b"acsp"
    )
    + bytes(28)
    + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    + bytes(48)
    + struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, 12)
    + struct.pack(">4sI3i", b"XYZ ", 0, 0xF6D6, 0x10000, 0xD32D)
    + struct.pack(">4sII", b"curv", 0, 0)
    + bytes(4)
)


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "I"])
def test_a_grey_colour_profile_is_honoured(mode):
    deep = mode.startswith("I")
    image = Image.new(mode, (4, 4), 32896 if deep else (128, 255)[: len(mode)])
    image.info["icc_profile"] = LINEAR_GREY
    assert np.abs(np.asarray(to_rgb(image)).astype(int) - 188).max() <= 2


def test_a_damaged_colour_profile_is_ignored():
    image = Image.new("RGB", (2, 2), (10, 20, 30))
    image.info["icc_profile"] = b"nonsense"
    assert to_rgb(image).getpixel((0, 0)) == (10, 20, 30)


def test_alpha_is_there_only_where_the_picture_has_some():
    image = Image.new("RGBA", (2, 2), (1, 2, 3, 77))
    assert alpha_of(image).getpixel((0, 0)) == 77
    assert alpha_of(Image.new("RGB", (2, 2))) is None
    palette = Image.new("P", (2, 2), 0)
    palette.info["transparency"] = 0
    assert alpha_of(palette).getextrema() == (0, 0)


@pytest.mark.parametrize(
    "array",
    [
        GRADIENT,
        GRADIENT[..., None],
        GRADIENT.astype(np.uint16) * 257,
        GRADIENT / 255,
        (GRADIENT / 255).astype(np.float32),
        np.repeat(GRADIENT[..., None], 3, axis=2),
        np.dstack([GRADIENT, GRADIENT, GRADIENT, GRADIENT // 2 + 1]),
    ],
)
def test_grey_rgb_and_rgba_arrays_of_each_type_are_pictures(array):
    assert np.array_equal(np.asarray(to_rgb(from_array(array)))[..., 2], GRADIENT)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 2), np.uint8), "channels"),
        (np.zeros(4, np.uint8), "channels"),
        (np.zeros((0, 4), np.uint8), "channels"),
        (np.zeros((4, 4), np.int64), "uint8, uint16 or float"),
        (np.full((4, 4), 255.0), "divide 8-bit"),
        (np.full((4, 4), np.nan), "divide 8-bit"),
        (np.full((4, 4), 1.01), "divide 8-bit"),
        (np.full((4, 4), -0.01), "divide 8-bit"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(array, message):
    with pytest.raises(InputError, match=message):
        from_array(array)


@pytest.mark.parametrize("beyond", [1e-6, 1e-3])
def test_floats_that_overshoot_by_a_rounding_error_are_clamped(beyond):
    array = np.array([[-beyond, 0, 0.5, 1, 1 + beyond]])
    assert np.asarray(from_array(array)).tolist() == [[0, 0, 128, 255, 255]]


def test_unreadable_files_are_named(tmp_path, photo):
    with pytest.raises(InputError, match="gone.jpg"):
        open_image(tmp_path / "gone.jpg")
    with pytest.raises(InputError, match="folder"):
        open_image(tmp_path)
    (tmp_path / "text.jpg").write_text("not a picture")
    with pytest.raises(InputError, match="text.jpg"):
        open_image(tmp_path / "text.jpg")
    with pytest.raises(InputError, match="0x5"):
        upright(Image.new("RGB", (0, 5)))
    (tmp_path / "cut.png").write_bytes(photo.read_bytes()[:20000])
    with pytest.raises(InputError, match="cut.png"):
        open_image(tmp_path / "cut.png")


def test_pillows_warnings_reach_nobody(tmp_path, capfd):
    Image.fromarray(GRADIENT).save(tmp_path / "a.tif")
    whole = (tmp_path / "a.tif").read_bytes()
    directory = int.from_bytes(whole[4:8], "little")
    (tmp_path / "a.tif").write_bytes(whole[: directory + 1])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Image.open(photo_that_warns(tmp_path)) as image:
            image.getexif()
        assert len(caught) > 0  # so that there is something to hide
        caught.clear()
        with pytest.raises(InputError, match=r"a\.tif"):
            open_image(tmp_path / "a.tif")
        assert open_image(photo_that_warns(tmp_path)).size == (16, 16)
        assert not caught
    assert capfd.readouterr() == ("", "")


def photo_that_warns(folder):
    """A good picture with EXIF that breaks off."""
    exif = Image.Exif()
    exif[0x010F] = "a camera with a name that does not fit into four bytes"
    path = folder / "warns.jpg"
    Image.fromarray(GRADIENT).save(path, exif=exif.tobytes()[:30])
    return path


def test_who_asks_for_pillows_guard_keeps_it(photo, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)  # the photo has 135,300
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with pytest.raises(InputError, match=r"chelsea\.png"):
            open_image(photo)
    with warnings.catch_warnings(record=True) as caught:
        warnings.filters[:] = []
        open_image(photo)
    assert not caught


def test_a_pillow_image_that_is_cut_off(tmp_path, photo):
    (tmp_path / "cut.png").write_bytes(photo.read_bytes()[:20000])
    with Image.open(tmp_path / "cut.png") as image, pytest.raises(InputError, match=r"cut\.png"):
        image_of(image)


def test_a_pillow_image_that_was_closed(photo):
    with Image.open(photo) as image:
        pass
    with pytest.raises(InputError, match="cannot be read"):
        image_of(image)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_damaged_exif_is_no_reason_not_to_paint(tmp_path, ending):
    path = tmp_path / f"photo.{ending}"
    Image.new("RGB", (8, 6), "teal").save(path, exif=b"Exif\0\0nonsense", dpi=(72, 72))
    assert open_image(path).size == (8, 6)


def test_a_message_is_one_line_whatever_the_file_is_called(tmp_path):
    with pytest.raises(InputError) as refused:
        open_image(tmp_path / "two\nlines\x1b[31m.jpg")
    assert r"two\nlines\x1b[31m.jpg" in str(refused.value)


def test_pillow_reads_what_was_saved_as_webp():
    buffer = io.BytesIO()
    Image.new("RGBA", (3, 3), (1, 2, 3, 4)).save(buffer, "WEBP", lossless=True)
    assert alpha_of(Image.open(buffer)).getextrema() == (4, 4)


def test_image_of_takes_what_people_have(photo):
    image = open_image(photo)
    for source in (photo, str(photo), image, np.asarray(image)):
        assert image_of(source).tobytes() == image.tobytes()
    assert image_of(photo.read_bytes()).tobytes() == image.tobytes()
    with pytest.raises(InputError, match="gone.jpg"):
        image_of("gone.jpg")
    with pytest.raises(InputError, match=r"a list is not one picture; give them one at a time"):
        image_of([photo])
    with pytest.raises(
        InputError, match=r"x/\*\.jpg; patterns are not expanded here; give the files"
    ):
        image_of("x/*.jpg")
    with pytest.raises(InputError, match="a float is not a picture; give a path"):
        image_of(0.5)


def encoded(file_format, **options):
    rows, columns = np.mgrid[:64, :96]
    colours = np.stack([columns * 2, rows * 3, (rows * columns) % 251], axis=2).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("PNG", {}), ("JPEG", {}), ("WEBP", {"lossless": True}), ("GIF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)  # fmt: skip
def test_damage_is_judged_as_pillow_does(file_format, options):
    """Pillow's verdict on a file that was opened afresh and is only decoded; 40 bytes flipped."""
    whole = encoded(file_format, **options)
    refused = 0
    for position in np.linspace(1, len(whole) - 2, 40).astype(int):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        data = bytes(damaged)
        verdict = pixels = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with Image.open(io.BytesIO(data)) as image:
                    image.load()
                    pixels = image.copy()
            except Exception as error:
                verdict = error
        if verdict is not None:
            refused += 1
            with pytest.raises(InputError):
                open_image(data)
        elif 0 not in pixels.size:
            assert open_image(data).tobytes() == pixels.tobytes()
    assert refused  # so that there was something to judge


def test_a_damaged_png_is_refused_in_one_sentence(tmp_path, photo):
    data = bytearray(photo.read_bytes())
    data[60000:60040] = b"\xff" * 40
    (tmp_path / "damaged.png").write_bytes(data)
    with pytest.raises(
        InputError, match=r"damaged\.png is not a picture that can be read: unrecog"
    ):
        open_image(tmp_path / "damaged.png")
    with (
        Image.open(tmp_path / "damaged.png") as image,
        pytest.raises(InputError, match=r"damaged\.png cannot be read: unrecog"),
    ):
        image_of(image)


@pytest.mark.parametrize(
    ("at_least", "size"), [(None, (1600, 800)), (801, (1600, 800)), (400, (800, 400)),
                           (300, (800, 400)), (100, (200, 100)), (10, (200, 100))],
)  # fmt: skip
def test_a_jpeg_is_decoded_no_larger_than_asked_for(tmp_path, at_least, size):
    ramp = Image.linear_gradient("L").resize((1600, 800)).convert("RGB")
    ramp.save(tmp_path / "large.jpg", quality=95)
    image = open_image(tmp_path / "large.jpg", at_least=at_least)
    assert image.size == size
    difference = np.asarray(image).astype(float) - np.asarray(ramp.resize(size))
    assert np.abs(difference).mean() < 2
    ramp.save(tmp_path / "large.png")
    assert open_image(tmp_path / "large.png", at_least=at_least).size == (1600, 800)


def test_pixels_of_a_file_are_known_by_its_header(tmp_path):
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "still.png")
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "text.png").write_text("no picture")
    names = ("still.png", "moving.gif", "text.png", "gone.png")
    found = [size_and_frames(tmp_path / name) for name in names]
    assert found == [((30, 40), 1), ((30, 40), 2), ((0, 0), 1), ((0, 0), 1)]

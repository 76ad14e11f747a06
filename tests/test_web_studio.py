"""What the web page takes from strangers, and what it gives back; without Gradio."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from hrstyle.cli import main
from hrstyle.engine.options import StylizeOptions
from hrstyle.errors import InputError
from hrstyle.images import open_image
from hrstyle.inference import Stylizer, load
from hrstyle.web.studio import PREVIEW_SIDE, Studio, open_photo


@pytest.fixture
def studio(tmp_path):
    (tmp_path / "files").mkdir()
    return Studio(folder=tmp_path / "files", max_pixels=100_000)


@pytest.fixture
def tiny_style(tiny):
    return Stylizer(tiny, style="tiny", device="cpu", engine="torch")


@pytest.mark.slow
def test_a_result_is_the_file_that_the_command_line_writes(studio, tmp_path):
    photo = Image.linear_gradient("L").resize((60, 40)).convert("RGB")
    photo.putalpha(Image.radial_gradient("L").resize((60, 40)))
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Lumiere"
    exif[ExifTags.Base.Orientation] = 6
    photo.save(tmp_path / "photo.png", exif=exif)
    style = load("starry_night")
    repaint = studio.paint(tmp_path / "photo.png", style)
    out = tmp_path / "cli.png"
    paths = [str(tmp_path / "photo.png"), "-o", str(out)]
    main(["stylize", *paths, "--style", "starry_night", "--engine", style.engine])
    assert repaint.file.name == "photo-starry_night.png"
    assert repaint.file.read_bytes() == out.read_bytes()
    for path in (repaint.before, repaint.after):
        with Image.open(path) as image:
            assert image.size == (40, 60)
            assert image.mode == "RGBA"
            assert not image.getexif()


def test_previews_are_small_and_the_result_is_not(studio, tiny_style, tmp_path):
    Image.new("RGB", (2 * PREVIEW_SIDE, 30), "teal").save(tmp_path / "wide.jpg")
    repaint = studio.paint(tmp_path / "wide.jpg", tiny_style)
    assert open_image(repaint.file).size == (2 * PREVIEW_SIDE, 30)
    assert open_image(repaint.before).size == open_image(repaint.after).size == (PREVIEW_SIDE, 15)
    before = np.asarray(open_image(repaint.before).convert("RGB"), dtype=int)
    assert abs(before - np.array((0, 128, 128))).max() < 6


@pytest.mark.parametrize("colours", [True, 0.4])
def test_the_options_of_the_page_are_painted_with(studio, tiny_style, tmp_path, colours):
    Image.linear_gradient("L").convert("RGB").resize((32, 32)).save(tmp_path / "photo.png")
    how = {"strength": 0.5, "stroke_size": 2, "keep_colours": colours}
    repaint = studio.paint(tmp_path / "photo.png", tiny_style, StylizeOptions(**how))
    expected = tiny_style.stylize(tmp_path / "photo.png", **how)
    assert np.array_equal(np.asarray(open_image(repaint.file)), np.asarray(expected))


def test_pixels_are_counted_before_they_are_decoded(studio, tiny_style, tmp_path):
    path = tmp_path / "huge.png"
    _png_without_pixels(path, 10_000, 6_000)
    with pytest.raises(InputError, match=r"^huge.png has 10000x6000 pixels.* at most 100,000"):
        studio.paint(path, tiny_style)
    Image.new("RGB", (200, 200)).save(path)
    assert open_photo(path, 100_000, stroke_size=1).size == (200, 200)
    with pytest.raises(InputError, match=r"with such fine strokes: at most 25,000"):
        studio.paint(path, tiny_style, StylizeOptions(stroke_size=0.5))


def _png_without_pixels(path, width, height):
    """A header that promises pixels; none follow, so that decoding them would fail otherwise."""
    header = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    data = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4) + header + zlib.crc32(header).to_bytes(4)
    path.write_bytes(data + (0).to_bytes(4) + b"IDAT" + zlib.crc32(b"IDAT").to_bytes(4))


@pytest.mark.parametrize(
    "content",
    [b"no picture", b"", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", None],
)
def test_what_is_no_picture_is_told_without_its_folder(studio, tiny_style, tmp_path, content):
    path = tmp_path / "secret-folder" / "notes.jpg"
    path.parent.mkdir()
    if content is None:  # cut off
        Image.effect_noise((90, 90), 50).save(path)
        content = path.read_bytes()[:900]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^notes.jpg is not a picture") as caught:
        studio.paint(path, tiny_style)
    assert "secret-folder" not in str(caught.value)
    assert not list(studio.folder.iterdir())


def test_impossible_settings_are_input_errors(studio, tiny_style, photo):
    for how in ({"strength": float("nan")}, {"stroke_size": "2"}, {"keep_colours": []}):
        with pytest.raises(InputError, match=next(iter(how))):
            studio.paint(photo, tiny_style, StylizeOptions(**how))


@pytest.mark.parametrize("alpha", [False, True])
def test_another_strength_is_blended_without_a_new_pass(studio, tiny_style, tmp_path, alpha):
    photo = Image.linear_gradient("L").convert("RGB").resize((300, 200))
    if alpha:
        photo.putalpha(Image.radial_gradient("L").resize(photo.size))
    photo.save(tmp_path / "photo.png")
    repaint = studio.paint(tmp_path / "photo.png", tiny_style)
    assert (repaint.file, repaint.after) == (repaint.painted, repaint.preview)
    for how in ({"strength": 0.4}, {"strength": 0.7, "keep_colours": 0.5}, {"strength": 1.0}):
        blended = studio.blend(repaint, StylizeOptions(**how))
        expected = tiny_style.stylize(tmp_path / "photo.png", **how)
        result = open_image(blended.file)
        assert blended.file != repaint.file
        assert blended.file.name == repaint.file.name
        assert result.mode == expected.mode
        visible = 1 if not alpha else (np.asarray(expected)[..., 3:] > 0)
        difference = np.asarray(result, dtype=int) - np.asarray(expected, dtype=int)
        assert not (difference * visible).any()
        preview = np.asarray(open_image(blended.after).convert("RGBA"), dtype=int)
        assert (abs(preview - np.asarray(expected.convert("RGBA"), dtype=int)) * visible).mean() < 4
    (tmp_path / "photo.png").unlink()
    with pytest.raises(InputError, match="deleted in the meantime; paint it again"):
        studio.blend(repaint, StylizeOptions(strength=0.5))


def test_a_heic_is_shown_as_a_jpeg_with_its_metadata(studio, tmp_path):
    photo = Image.linear_gradient("L").convert("RGB").resize((64, 48))
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Lumiere"
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(photo).save(tmp_path / "iphone.HEIC", exif=exif.tobytes(), quality=100)
    shown = Path(studio.showable(str(tmp_path / "iphone.HEIC")))
    assert shown.name == "iphone.jpg"
    with Image.open(shown) as image:
        assert (image.format, image.size) == ("JPEG", (64, 48))
        assert image.getexif()[ExifTags.Base.Make] == "Lumiere"
        assert abs(np.asarray(image, dtype=int) - np.asarray(photo)).mean() < 3
    for name in ("photo.png", "broken.heic"):
        (tmp_path / name).write_text("no picture")
        assert studio.showable(str(tmp_path / name)) == str(tmp_path / name)

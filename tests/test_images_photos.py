import numpy as np
import pytest
from PIL import ExifTags, Image

from hrstyle.errors import InputError
from hrstyle.images import as_picture, open_image, read_photo, srgb_profile, to_rgb


@pytest.fixture
def cut_out():
    image = Image.linear_gradient("L").resize((30, 20)).convert("RGB")
    image.putalpha(Image.radial_gradient("L").resize((30, 20)))
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Someone"
    image.info["exif"] = exif.tobytes()
    return image


def test_a_photo_has_the_pixels_and_what_its_repaint_keeps(cut_out, tmp_path):
    cut_out.save(tmp_path / "a.png", exif=cut_out.info["exif"])
    for source in (cut_out, tmp_path / "a.png"):
        photo = read_photo(source)
        assert np.array_equal(photo.pixels, np.asarray(to_rgb(cut_out)))
        assert photo.pixels.flags.writeable
        assert photo.alpha.tobytes() == cut_out.getchannel("A").tobytes()
        assert photo.info["icc_profile"] == srgb_profile()
        assert photo.info["exif"]
    assert np.array_equal(read_photo(np.asarray(cut_out)).alpha, cut_out.getchannel("A"))
    assert read_photo(Image.new("L", (3, 2))).alpha is None


def test_painted_pixels_become_a_picture_of_any_size(cut_out):
    photo = read_photo(cut_out)
    itself = as_picture(photo.pixels, photo)
    assert np.array_equal(np.asarray(itself)[..., 3], np.asarray(photo.alpha))
    assert itself.getexif()[ExifTags.Base.Artist] == "Someone"
    larger = as_picture(np.zeros((40, 60, 3), np.uint8), photo)
    assert np.array_equal(larger.getchannel("A"), photo.alpha.resize((60, 40)))
    opaque = as_picture(photo.pixels, photo._replace(alpha=None))
    assert opaque.mode == "RGB"


def test_a_file_is_checked_before_it_is_decoded(photo, tmp_path):
    (tmp_path / "cut.png").write_bytes(photo.read_bytes()[:20000])  # it cannot be decoded

    def check(picture):
        assert picture.size == open_image(photo).size
        raise InputError("too large")

    with pytest.raises(InputError, match="too large"):
        read_photo(tmp_path / "cut.png", check=check)

import io

import pytest
from PIL import ExifTags, Image, ImageCms

from hrstyle.images import exif_of, kept_info, open_image, save_image, save_options, srgb_profile

DETAILS = {
    ExifTags.Base.DateTimeOriginal: "2020:02:03 04:05:06",
    ExifTags.Base.ExifImageWidth: 999,
    ExifTags.Base.ExifImageHeight: 999,
    ExifTags.Base.ColorSpace: 65535,
}


@pytest.fixture
def exif():
    """As a camera writes it, turned by 90 degrees."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Artist] = "Someone"
    exif.get_ifd(ExifTags.IFD.Exif).update(DETAILS)
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (48.0, 51.0, 24.0)
    return exif


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "avif"])
def test_exif_goes_from_file_to_file(tmp_path, exif, ending):
    path = tmp_path / f"photo.{ending}"
    given = exif.tobytes()  # of an object, Pillow would write only a part into a TIFF
    Image.new("RGB", (40, 20), "teal").save(path, exif=given, dpi=(300, 300))
    photo = open_image(path)
    assert photo.size == (20, 40)
    repaint = Image.new("RGB", (10, 20))
    repaint.info.update(kept_info(photo))
    save_image(repaint, tmp_path / f"out.{ending}")
    with Image.open(tmp_path / f"out.{ending}") as result:
        kept = result.getexif()
        details = kept.get_ifd(ExifTags.IFD.Exif)
        assert result.size == (10, 20)  # which a second turn would change
        assert ExifTags.Base.Orientation not in kept
        assert kept[ExifTags.Base.Artist] == "Someone"
        assert details[ExifTags.Base.DateTimeOriginal] == "2020:02:03 04:05:06"
        assert details[ExifTags.Base.ExifImageWidth] == 10
        assert details[ExifTags.Base.ExifImageHeight] == 20
        assert details[ExifTags.Base.ColorSpace] == 1
        assert kept.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] == (48, 51, 24)
        assert result.info["icc_profile"] == srgb_profile()
        if ending in ("jpg", "png", "tif"):
            assert result.info["dpi"] == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "avif"])
def test_strip_leaves_nothing(tmp_path, exif, ending):
    image = Image.new("RGB", (10, 20))
    image.info.update(exif=exif.tobytes(), dpi=(300, 300), icc_profile=srgb_profile())
    save_image(image, tmp_path / f"out.{ending}", strip=True)
    with Image.open(tmp_path / f"out.{ending}") as result:
        assert "Someone" not in result.getexif().values()
        assert not result.getexif().get_ifd(ExifTags.IFD.Exif)
        assert not {"icc_profile", "exif"} & set(result.info)


def test_the_callers_picture_keeps_its_own(exif):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 2)).save(buffer, "JPEG", exif=exif)
    image = Image.open(buffer)
    exif_of(image)
    assert image.getexif()[ExifTags.Base.Orientation] == 6


@pytest.mark.parametrize("data", [b"", b"nonsense", b"II*\0\x08\0\0\0", b"MM\0*\xff\xff\xff\xff"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_is_left_out(tmp_path, data):
    Image.new("RGB", (4, 2)).save(tmp_path / "photo.jpg", exif=b"Exif\0\0" + data)
    photo = open_image(tmp_path / "photo.jpg")
    assert not kept_info(photo).get("exif")
    photo.info["exif"] = b"Exif\0\0" + data
    assert "exif" not in save_options(photo, "PNG", strip=False)


def test_what_a_jpeg_cannot_hold_is_left_out(tmp_path, exif):
    exif[ExifTags.Base.ImageDescription] = "x" * 70000
    image = Image.new("RGB", (4, 2))
    image.info["exif"] = exif.tobytes()
    save_image(image, tmp_path / "a.jpg")
    save_image(image, tmp_path / "a.png")
    assert not open_image(tmp_path / "a.jpg").getexif()
    assert len(open_image(tmp_path / "a.png").getexif()[ExifTags.Base.ImageDescription]) == 70000


@pytest.mark.parametrize("dpi", [(0, 0), (float("nan"), 1), (1e9, 300), (300,), "x"])
def test_an_impossible_resolution_is_left_out(tmp_path, dpi):
    image = Image.new("RGB", (4, 2))
    image.info["dpi"] = dpi
    for ending in ("jpg", "png", "tif"):
        save_image(image, tmp_path / f"a.{ending}")


def test_the_profile_is_that_of_srgb():
    profile = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    colours = Image.linear_gradient("L").convert("RGB")
    ours = ImageCms.profileToProfile(colours, profile, ImageCms.createProfile("sRGB"))
    assert ours.tobytes() == colours.tobytes()
    assert srgb_profile()[24:30] == bytes([7, 208, 0, 1, 0, 1])  # not the day of the test

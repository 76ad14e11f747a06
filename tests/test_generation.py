import numpy as np
import pytest
from PIL import ExifTags, Image

import hrstyle
from hrstyle import generate
from hrstyle.errors import InputError
from hrstyle.images import open_image, srgb_profile

SHALLOW = {"steps": 2, "loss": "gram", "content_layers": ["relu1_2"], "style_layers": ["relu1_1"]}


@pytest.fixture
def painting(tmp_path):
    path = tmp_path / "my painting.jpg"
    Image.effect_noise((90, 60), 80).convert("RGB").save(path)
    return path


@pytest.mark.slow
def test_a_bundled_style_is_painted_in_the_size_asked_for(photo, tmp_path):
    path = generate(photo, "starry_night", resolution=64, output_dir=tmp_path / "a" / "b")
    assert path == tmp_path / "a" / "b" / "chelsea-starry_night.png"
    assert open_image(path).size == (96, 64)  # of 451 x 300
    whole = generate(photo, "starry_night", resolution=None, output_dir=tmp_path)
    expected = hrstyle.load("starry_night").stylize(photo)
    assert np.array_equal(np.asarray(open_image(whole)), np.asarray(expected))


def test_a_weights_file_is_a_style(photo, weights_file, tmp_path):
    path = generate(str(photo), str(weights_file), resolution=50, output_dir=str(tmp_path))
    assert path.name == "chelsea-tiny.png"
    assert min(open_image(path).size) == 50


def test_a_picture_is_optimised(photo, painting, tmp_path):
    path = generate(photo, painting, resolution=40, output_dir=tmp_path, **SHALLOW)
    assert path.name == "chelsea-my painting.png"
    assert open_image(path).size == (60, 40)


def test_a_small_photo_is_enlarged(painting, tmp_path):
    Image.new("RGB", (20, 30), "teal").save(tmp_path / "dot.gif")
    path = generate(tmp_path / "dot.gif", painting, resolution=40, output_dir=tmp_path, **SHALLOW)
    assert open_image(path).size == (40, 60)


def test_a_bundled_style_can_be_optimised_too(photo, tmp_path):
    how = {"resolution": 40, "output_dir": tmp_path}
    path = generate(photo, "starry_night", method="optimize", **how, **SHALLOW)
    assert path.name == "chelsea-starry_night.png"
    optimised = np.asarray(open_image(path), int)
    generate(photo, "starry_night", method="feedforward", **how)
    assert np.abs(np.asarray(open_image(path), int) - optimised).mean() > 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_image_path": "gone.jpg"}, "gone.jpg"),
        ({"style": "guernica"}, "guernica"),
        ({"method": "magic"}, "auto, feedforward, optimize"),
        ({"resolution": 3}, "resolution=3"),
        ({"method": "optimize", "style": "mine.safetensors"}, "needs a picture"),
        ({"style": "mine.safetensors"}, "mine.safetensors"),
    ],
)
def test_bad_input_is_refused_and_leaves_no_file(photo, tmp_path, change, message):
    good = {"input_image_path": photo, "style": "starry_night", "output_dir": tmp_path}
    with pytest.raises(InputError, match=message):
        generate(**good | change)
    assert not list(tmp_path.glob("*.png"))


def test_a_picture_cannot_be_fed_forward(photo, painting):
    with pytest.raises(InputError, match=r"hrstyle\.train"):
        generate(photo, painting, method="feedforward")


def test_the_folder_must_be_one_before_the_work(photo, painting, monkeypatch):
    monkeypatch.setattr(hrstyle.generation, "optimize", None)
    with pytest.raises(InputError, match="cannot make the folder"):
        generate(photo, painting, output_dir=painting)


def test_palette_pictures_are_reduced_as_smoothly_as_others(tmp_path, weights_file):
    stripes = Image.new("L", (120, 120))
    stripes.putdata([255 * (x // 2 % 2) for _ in range(120) for x in range(120)])
    how = {"style": weights_file, "resolution": 30, "output_dir": tmp_path}
    pictures = []
    for mode in ("RGB", "P"):
        stripes.convert(mode).save(tmp_path / f"{mode}.png")
        pictures.append(open_image(generate(tmp_path / f"{mode}.png", **how)).tobytes())
    assert pictures[0] == pictures[1]


def test_transparency_is_kept(tmp_path, weights_file):
    Image.new("RGBA", (40, 30), (200, 30, 90, 128)).save(tmp_path / "clear.png")
    path = generate(tmp_path / "clear.png", weights_file, resolution=20, output_dir=tmp_path)
    assert open_image(path).getchannel("A").getextrema() == (128, 128)


@pytest.mark.slow
def test_device_and_type_reach_either_way(photo, painting, tmp_path):
    for style, options in [("starry_night", {}), (painting, SHALLOW)]:
        how = {"resolution": 32, "output_dir": tmp_path, "device": "cpu", **options}
        generate(photo, style, dtype="bfloat16", **how)
        with pytest.raises(InputError, match="try cpu"):
            generate(photo, style, **how | {"device": "warp"})


def test_the_photos_exif_is_kept(weights_file, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Someone"
    for number, how in enumerate(({}, {"icc_profile": srgb_profile()})):
        source = tmp_path / f"{number}.jpg"
        Image.new("RGB", (60, 40)).save(source, exif=exif, **how)
        path = generate(source, weights_file, resolution=32, output_dir=tmp_path)
        with Image.open(path) as result:
            assert result.getexif()[ExifTags.Base.Artist] == "Someone"

import pytest
from PIL import Image

from hrstyle.errors import InputError
from hrstyle.styles import Style, names, picture_names, weights_path


def test_bundled_styles():
    assert "starry_night" in names()
    assert weights_path("starry_night").is_file()
    assert "starry_night" in picture_names()
    with pytest.raises(InputError, match="no style or file named 'guernica'.*starry_night"):
        weights_path("guernica")


def test_bundled_picture_has_its_size():
    picture = Style(image="starry_night", name="starry_night", size=256).load()
    assert picture.shape[:2] == (1, 3)
    assert max(picture.shape) == 256
    # Van Gogh's night is blue, and no white or black frame is left at the edges.
    red, green, blue = picture.mean((0, 2, 3))
    assert blue > green > red
    for edge in (picture[..., 0], picture[..., -1], picture[..., 0, :], picture[..., -1, :]):
        assert 0.1 < edge.mean() < 0.8


def test_picture_of_ones_own_is_not_enlarged(tmp_path):
    Image.new("RGBA", (50, 40), "red").save(tmp_path / "mine.png")
    style = Style(image=str(tmp_path / "mine.png"), name="mine")
    assert style.load().shape == (1, 3, 40, 50)


def test_bad_styles(tmp_path):
    with pytest.raises(InputError, match=r"'mine\.png'.*starry_night"):
        Style(image="mine.png", name="mine").load()
    for name in ("a/b", "..", ""):
        with pytest.raises(InputError, match=r"style\.name"):
            Style(image="starry_night", name=name)
    Image.new("RGB", (2000, 40)).save(tmp_path / "strip.png")
    with pytest.raises(InputError, match="strip.png: 640x13"):
        Style(image=str(tmp_path / "strip.png"), name="strip").load()
    with pytest.raises(InputError, match=r"style\.size=8"):
        Style(image="starry_night", name="x", size=8)

import numpy as np
import pytest
from PIL import Image

from hrstyle.errors import InputError
from hrstyle.images import check_longest, check_output, open_image, output_format, save_image

GRADIENT = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_what_is_saved_can_be_read_back_and_loses_nothing_unasked(tmp_path):
    image = Image.fromarray(GRADIENT).convert("RGB")
    save_image(image, tmp_path / "a.png")
    assert np.array_equal(np.asarray(open_image(tmp_path / "a.png")), np.asarray(image))
    save_image(image.convert("RGBA"), tmp_path / "a.jpg")  # opaque: nothing is lost
    assert open_image(tmp_path / "a.jpg").mode == "RGB"
    with pytest.raises(InputError, match="transparency"):
        save_image(Image.new("RGBA", (2, 2)), tmp_path / "b.jpg")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jpg", "a.png"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a", "picture type"),
        ("a.xyz", "picture type"),
        ("a.ico", "picture type"),
        ("nowhere/a.png", "no folder"),
    ],
)
def test_impossible_output_names_are_refused(tmp_path, name, message):
    with pytest.raises(InputError, match=message):
        output_format(tmp_path / name)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif", "bmp", "ppm"])
def test_every_output_keeps_the_size(tmp_path, ending):
    save_image(Image.new("RGB", (300, 200)), tmp_path / f"a.{ending}")
    assert open_image(tmp_path / f"a.{ending}").size == (300, 200)


def test_how_long_a_side_may_be(tmp_path):
    check_longest("a.png", 10**6)
    check_longest("a.gif", 200)  # of an animation
    check_longest("a.JPG", 65500)
    for name, longer in [("a.JPG", 65501), ("a.webp", 16384)]:
        with pytest.raises(InputError, match=f"{longer - 1} pixels a side, not {longer}"):
            check_longest(name, longer)
    with pytest.raises(InputError, match="16383 pixels a side"):
        save_image(Image.new("RGB", (17000, 1)), tmp_path / "a.webp")


def test_check_output_knows_what_saving_would_say(tmp_path):
    clear, opaque = Image.new("RGBA", (4, 4)), Image.new("RGBA", (4, 4), "red")
    check_output(clear, tmp_path / "a.png")
    for ending in ("jpg", "bmp", "ppm"):
        check_output(opaque, tmp_path / f"a.{ending}")
    for image, name, message in [
        (clear, "a.jpg", "transparency"),
        (clear, "a.bmp", "transparency"),
        (clear, "a.ppm", "transparency"),
        (opaque, "a.xyz", "xyz"),
        (opaque, "gone/a.png", "no folder"),
    ]:
        for check in (check_output, save_image):
            with pytest.raises(InputError, match=message):
                check(image, tmp_path / name)
    assert not list(tmp_path.iterdir())

import numpy as np
import pytest
from PIL import Image

from hrstyle.errors import InputError
from hrstyle.images import (
    check_longest,
    check_output,
    check_repaint,
    open_image,
    output_format,
    save_image,
)

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
        ("a", "a has no ending; end its name in .png or .jpg"),
        ("a.gif", "a.gif: GIF is only for animations"),
        ("a.xyz", "picture type"),
        ("a.ico", "picture type"),
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
    with pytest.raises(InputError, match="16383 pixels a side"):
        check_output(Image.new("L", (1, 16384)), tmp_path / "a.webp")
    assert not list(tmp_path.iterdir())


def test_a_repaint_is_checked_by_its_photo(tmp_path):
    opaque, clear, wide = (tmp_path / f"{name}.png" for name in ("opaque", "clear", "wide"))
    Image.new("RGBA", (4, 4), "red").save(opaque)
    Image.new("RGBA", (4, 4)).save(clear)
    Image.new("L", (16384, 1)).save(wide)
    (tmp_path / "text.png").write_text("no picture")
    for photo, name in [
        *((opaque, "a.jpg"), (clear, "a.png"), (clear, "a.webp"), (wide, "a.jpg")),
        *((tmp_path / "text.png", "a.jpg"), (tmp_path / "gone.png", "a.jpg")),
    ]:
        check_repaint(photo, name)
    check_repaint(wide, "a.webp", size=100)
    for photo, name, size, message in [
        (clear, "a.jpg", None, "a.jpg: JPEG cannot hold transparency; end the name in .png"),
        (wide, "a.webp", None, "a.webp can hold at most 16383 pixels a side, not 16384"),
        (opaque, "a.webp", 20000, "16383 pixels a side, not 20000"),
    ]:
        with pytest.raises(InputError, match=message):
            check_repaint(photo, name, size=size)


def test_a_tilde_is_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    save_image(Image.new("L", (3, 2)), "~/a.png")
    assert open_image(tmp_path / "a.png").size == (3, 2)

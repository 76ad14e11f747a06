import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from hrstyle.errors import InputError
from hrstyle.images import Animation, is_animated, write_animation

DURATIONS = [40, 80, 120, 200, 70]


def frames(mode="RGB"):
    """A ball that rolls."""
    back, ball = ((0, 0, 0, 0), (255, 200, 10, 255)) if mode == "RGBA" else ("navy", "gold")
    pictures = [Image.new(mode, (60, 40), back) for _ in DURATIONS]
    for number, picture in enumerate(pictures):
        ImageDraw.Draw(picture).ellipse((5 + 8 * number, 5, 25 + 8 * number, 25), fill=ball)
    return pictures


def saved(path, pictures, **options):
    first, *others = pictures
    first.save(path, save_all=True, append_images=others, duration=DURATIONS, **options)
    return path


def read(file):
    """Format, durations, loop and RGBA pixels, as Pillow alone reads them."""
    with Image.open(file) as image:
        durations, pixels = [], []
        for number in range(image.n_frames):
            image.seek(number)
            pixels.append(np.asarray(image.convert("RGBA"), dtype=int))
            durations.append(image.info["duration"])
        return image.format, durations, image.info.get("loop"), np.stack(pixels)


def copy(path, name):
    animation, file = Animation(path), io.BytesIO()
    size = write_animation((f.convert("RGBA") for f in animation), animation, file, name)
    assert size == (60, 40)
    assert animation.count == len(DURATIONS)
    return file


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("before", ["gif", "webp", "png"])
@pytest.mark.parametrize("after", ["gif", "webp", "png"])
def test_times_and_pixels_are_kept(tmp_path, mode, before, after):
    options = {"disposal": 2} if before == "gif" else {}
    if before == "webp":
        options["lossless"] = True
    path = saved(tmp_path / f"a.{before}", frames(mode), **options)
    file_format, durations, _, pixels = read(copy(path, f"x.{after}"))
    assert file_format == after.upper()
    assert durations == DURATIONS
    expected = np.stack([np.asarray(f.convert("RGBA"), dtype=int) for f in frames(mode)])
    assert np.array_equal(pixels[..., 3], expected[..., 3])
    difference = np.abs(pixels - expected)[expected[..., 3] > 0].mean()
    assert difference < (4 if after == "webp" else 0.01)


@pytest.mark.parametrize(("gif", "others"), [(None, 1), (0, 0), (2, 3)])
def test_how_often_it_plays(tmp_path, gif, others):
    """A GIF says how often it plays again, the others how often in all; 0 is without end."""
    loop = {} if gif is None else {"loop": gif}
    first = saved(tmp_path / "a.gif", frames(), **loop)
    for name in ("x.gif", "x.webp", "x.png"):
        (tmp_path / name).write_bytes(copy(first, name).getvalue())
        expected = gif if name == "x.gif" else others
        assert read(tmp_path / name)[2] == expected
        assert read(copy(tmp_path / name, "y.gif"))[2] == gif
        assert read(copy(tmp_path / name, "y.png"))[2] == others


def test_the_still_picture_of_an_apng_is_skipped(tmp_path):
    first = Image.new("RGB", (60, 40), "red")
    path = saved(tmp_path / "a.png", [first, *frames()], default_image=True)
    _, durations, _, pixels = read(copy(path, "x.gif"))
    assert durations == DURATIONS
    assert np.array_equal(pixels[0, ..., :3], np.asarray(frames()[0]))


def test_rounding_to_hundredths_does_not_add_up(tmp_path):
    first, *others = frames()
    path = tmp_path / "a.webp"
    first.save(path, save_all=True, append_images=others, duration=33)
    durations = read(copy(path, "x.gif"))[1]
    assert abs(sum(durations) - 5 * 33) <= 5
    assert set(durations) <= {30, 40}


def test_frames_are_read_as_they_are_needed(tmp_path):
    animation = Animation(saved(tmp_path / "a.gif", frames()))
    next(iter(animation))
    assert animation.durations == DURATIONS[:1]


def test_only_an_animation_of_several_frames_is_animated(tmp_path):
    assert is_animated(saved(tmp_path / "a.gif", frames()))
    assert is_animated(io.BytesIO((tmp_path / "a.gif").read_bytes()))
    assert not is_animated(saved(tmp_path / "pages.tif", frames()))
    frames()[0].save(tmp_path / "still.gif")
    (tmp_path / "text.gif").write_text("no picture")
    for name in ("still.gif", "text.gif", "gone.gif", "."):
        assert not is_animated(tmp_path / name)


def test_a_file_that_is_cut_off_is_named_with_the_frame(tmp_path):
    path = saved(tmp_path / "a.png", frames())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"a.png is damaged at frame [45]"):
        list(Animation(path))


def test_types_and_qualities_that_cannot_be_are_refused(tmp_path):
    path = saved(tmp_path / "a.gif", frames())
    for name, options, message in [
        ("x.jpg", {}, "cannot hold an animation; end its name in .gif, .webp or .png"),
        ("x.webp", {"quality": 0}, "quality=0"),
    ]:
        with pytest.raises(InputError, match=message):
            write_animation(frames(), Animation(path), io.BytesIO(), name, **options)

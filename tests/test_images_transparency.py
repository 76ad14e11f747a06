import numpy as np
import pytest
import torch
from PIL import Image

from hrstyle.cli.quick import QuickStylizer
from hrstyle.engine import compile_model
from hrstyle.engine.onnx import onnx_bytes
from hrstyle.images import alpha_of, open_image, to_array, to_rgb
from hrstyle.images.transparency import fill_invisible
from hrstyle.optimization import optimize
from hrstyle.styles.catalogue import Style

RNG = np.random.default_rng(0)


def cut_out(size, share=0.5):
    """Random colours, and an alpha that is 0 outside an ellipse and soft at its edge."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(columns / width - 0.5, rows / height - 0.5)
    alpha = (np.clip((share / 2 - distance) * 20, 0, 1) * 255).round().astype(np.uint8)
    colours = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(colours), Image.fromarray(alpha)


@pytest.mark.parametrize("size", [(40, 30), (1, 1), (17, 1), (1, 9), (33, 65)])
def test_what_can_be_seen_stays_and_what_cannot_makes_no_difference(size):
    colours, alpha = cut_out(size, share=1.0)
    seen = np.asarray(alpha) > 0
    filled = np.asarray(fill_invisible(colours, alpha))
    assert (filled[seen] == np.asarray(colours)[seen]).all()
    for value in (0, 255):
        other = np.asarray(colours).copy()
        other[~seen] = value
        assert (np.asarray(fill_invisible(Image.fromarray(other), alpha)) == filled).all()


def test_gaps_take_the_colours_around_them():
    colours = Image.new("RGB", (64, 64), (200, 100, 50))
    colours.paste((10, 20, 30), (32, 0, 64, 64))
    alpha = Image.new("L", colours.size, 255)
    alpha.paste(0, (0, 20, 64, 40))
    alpha.paste(0, (8, 0, 12, 64))
    filled = np.asarray(fill_invisible(colours, alpha)).astype(int)
    assert np.abs(filled[:, :16] - (200, 100, 50)).max() <= 4
    assert np.abs(filled[:, 48:] - (10, 20, 30)).max() <= 4


def test_without_a_pixel_that_can_be_seen_all_is_black():
    colours, _ = cut_out((20, 10))
    assert fill_invisible(colours, Image.new("L", (20, 10), 0)).getextrema() == ((0, 0),) * 3


def test_what_is_seen_as_a_whole_is_no_copy():
    colours, _ = cut_out((20, 10))
    assert fill_invisible(colours, Image.new("L", (20, 10), 1)) is colours
    assert to_rgb(colours) is colours


@pytest.fixture
def pair(photo):
    """One cut-out, with black and with white where nothing can be seen."""
    picture = open_image(photo).resize((90, 60))
    alpha = cut_out((90, 60), share=0.8)[1]
    images = []
    for hidden in ("black", "white"):
        seen = alpha.point(lambda value: 255 if value else 0)
        image = Image.composite(picture, Image.new("RGB", picture.size, hidden), seen)
        image.putalpha(alpha)
        images.append(image)
    assert images[0].tobytes() != images[1].tobytes()
    return images


@pytest.mark.slow
def test_repaints_of_one_cut_out_are_one(pair, stylizer, tiny):
    quick = QuickStylizer(compile_model(onnx_bytes(tiny, style="")))
    for paint in (stylizer.stylize, quick.stylize, lambda image: next(quick.stylize_many([image]))):
        first, second = (paint(image) for image in pair)
        assert first.tobytes() == second.tobytes()
        assert alpha_of(first).tobytes() == alpha_of(pair[0]).tobytes()


@pytest.mark.slow
def test_paintings_with_transparency_and_pictures_to_optimise(pair, tmp_path):
    targets = []
    for number, image in enumerate(pair):
        image.save(tmp_path / f"{number}.png")
        targets.append(Style(image=str(tmp_path / f"{number}.png"), name="x").load())
    assert torch.equal(*targets)
    photo = Image.new("RGB", (40, 32), "teal")
    how = {"steps": 1, "size": 32, "device": "cpu"}
    results = [optimize(photo, image, **how).tobytes() for image in pair]
    assert results[0] == results[1]
    results = [to_array(optimize(image, photo, **how)) for image in pair]
    assert (results[0] == results[1]).all()

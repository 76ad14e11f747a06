"""What `Stylizer.stylize` may be told: strength, strokes, size, colours, a mask."""

import numpy as np
import pytest
import torch
from PIL import Image

import hrstyle
from hrstyle.errors import InputError
from hrstyle.images import open_image, resize, to_tensor
from hrstyle.painting import brush as make_paint, recolour, strokes_for


def test_strength_leads_from_the_photo_to_the_style(stylizer, small):
    photo = to_tensor(small)
    painted = stylizer.stylize(photo)
    for strength in (0, 0.25, 1):
        expected = strength * painted + (1 - strength) * photo
        result = stylizer.stylize(photo, strength=strength)
        torch.testing.assert_close(result, expected)
        picture = stylizer.stylize(small, strength=strength, brush=False)
        picture, result = (
            np.asarray(picture).astype(float),
            stylizer.stylize(photo, strength=strength, brush=False),
        )
        assert np.abs(picture - result[0].permute(1, 2, 0).numpy() * 255).max() <= 1
    assert torch.equal(photo, to_tensor(small))  # the caller's tensor stays as it is
    with_alpha = small.convert("RGBA")
    with_alpha.putalpha(7)
    assert stylizer.stylize(with_alpha, strength=0.5).getextrema()[3] == (7, 7)


def test_impossible_strengths_are_input_errors(stylizer, small):
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="0 .the photo. to 1 .the style."):
            stylizer.stylize(small, strength=strength)


@pytest.mark.parametrize("stroke_size", [0.25, 0.6, 1.7])
def test_stroke_size_keeps_the_size_of_the_picture(stylizer, small, stroke_size):
    result = stylizer.stylize(small, stroke_size=stroke_size)
    assert result.size == small.size
    tensor = stylizer.stylize(to_tensor(small), stroke_size=stroke_size)
    difference = to_tensor(result) - tensor
    assert difference.abs().max() <= 0.501 / 255
    assert stylizer.stylize(small, stroke_size=16).size == small.size


def test_large_strokes_are_painted_small_and_enlarged(stylizer, small):
    picture = to_tensor(small)
    coarse = stylizer.stylize(resize(picture, (20, 32)), brush=False)
    painted = stylizer.stylize(picture, stroke_size=2, brush=False)
    assert torch.equal(painted, resize(coarse, (41, 63)))
    paint = np.empty((1, 3, 41, 63), np.float32)
    make_paint(coarse.numpy(), paint)
    result = stylizer.stylize(picture, stroke_size=2, brush=True)
    assert np.array_equal(result.numpy(), paint)


@pytest.mark.parametrize("times", [1, 2, 0.5, 1.3])
@pytest.mark.parametrize("brush", [True, False])
def test_a_photo_and_its_tensor_become_the_same_picture(stylizer, small, times, brush):
    how = {"stroke_size": times, "brush": brush}
    pixels = np.asarray(stylizer.stylize(small, **how)).astype(float)
    planes = stylizer.stylize(to_tensor(small), **how)[0]
    assert np.abs(255 * planes.permute(1, 2, 0).numpy() - pixels).max() <= 0.501


def test_a_bundled_style_paints_a_photo_and_its_tensor_alike(photo):
    style = hrstyle.load("starry_night", device="cpu", engine="torch")
    picture = open_image(photo).crop((60, 0, 260, 160))
    for times in (1, 2):
        for brush in (True, False):
            how = {"stroke_size": times, "brush": brush}
            pixels = np.asarray(style.stylize(picture, **how)).astype(float)
            planes = style.stylize(to_tensor(picture), **how)[0].permute(1, 2, 0).numpy()
            assert np.abs(255 * planes - pixels).max() < 1


def test_the_brush_makes_paint_of_the_grain(stylizer, small):
    for times in (None, 2, 0.5):
        paint, raw = (
            np.asarray(stylizer.stylize(small, stroke_size=times, brush=brush)).astype(int)
            for brush in (True, False)
        )
        assert np.abs(np.diff(paint, axis=0)).mean() < np.abs(np.diff(raw, axis=0)).mean()


def test_unless_told_otherwise_a_result_is_filtered(stylizer, small):
    small = to_tensor(small)
    result = stylizer.stylize(small)
    assert torch.equal(result, stylizer.stylize(small, brush=True))
    assert not torch.equal(result, stylizer.stylize(small, brush=False))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_large_strokes_of_every_kind_of_picture(stylizer, small, dtype):
    batch = torch.stack([to_tensor(small)[0], to_tensor(small)[0].flip(-1)]).to(dtype)
    before = batch.clone()
    painted = stylizer.stylize(batch, stroke_size=2, strength=0.5)
    assert torch.equal(batch, before)
    assert painted.dtype == dtype
    single = stylizer.stylize(batch[1], stroke_size=2, strength=0.5)
    assert torch.allclose(painted[1], single, atol=2e-3)
    array = np.array(small)
    result = np.asarray(stylizer.stylize(array, stroke_size=2, strength=0.5)) / 255
    assert np.array_equal(array, np.asarray(small))
    assert np.abs(result.transpose(2, 0, 1) - painted[0].double().numpy()).max() < 1.5 / 255
    short = hrstyle.load("irises", device="cpu", dtype="bfloat16")
    assert short.stylize(batch, stroke_size=2).dtype == dtype


@pytest.mark.slow
def test_a_large_picture_has_large_strokes_unless_told_otherwise(stylizer):
    large = to_tensor(Image.effect_noise((2000, 1200), 90).convert("RGB"))
    as_asked = stylizer.stylize(large, stroke_size=strokes_for(2000 * 1200))
    assert torch.equal(stylizer.stylize(large), as_asked)
    assert not torch.equal(stylizer.stylize(large, stroke_size=1), as_asked)
    # What counts is the size of the result.
    reduced = stylizer.stylize(large, size=300)
    assert torch.equal(reduced, stylizer.stylize(large, size=300, stroke_size=1))


def test_small_strokes_are_painted_large(stylizer, small):
    picture = to_tensor(small)
    expected = resize(stylizer.stylize(resize(picture, (82, 126)), stroke_size=1), (41, 63))
    assert torch.equal(stylizer.stylize(picture, stroke_size=0.5), expected)


def test_impossible_stroke_sizes_are_input_errors(stylizer, small):
    for stroke_size in (0, -1, 17, float("inf"), float("nan")):
        with pytest.raises(InputError, match="stroke_size=.*2 doubles the strokes"):
            stylizer.stylize(small, stroke_size=stroke_size)


def test_size_is_the_longer_side(stylizer, small):
    for size, expected in [(30, (30, 20)), (63, (63, 41)), (100, (100, 65)), (1, (1, 1))]:
        assert stylizer.stylize(small, size=size).size == expected
    tensor = to_tensor(small)
    result = stylizer.stylize(tensor[0], size=30)
    assert torch.equal(result, stylizer.stylize(resize(tensor, (20, 30)))[0])
    with_alpha = small.convert("RGBA")
    with_alpha.putalpha(7)
    result = stylizer.stylize(with_alpha, size=np.int64(30))
    assert (result.size, result.getextrema()[3]) == ((30, 20), (7, 7))


def test_keep_colours_is_that_of_optimize(stylizer, small):
    photo = to_tensor(small)
    expected = recolour(stylizer.stylize(photo), photo)
    torch.testing.assert_close(stylizer.stylize(photo, keep_colours=True), expected)
    some = stylizer.stylize(photo, keep_colours=0.3)
    torch.testing.assert_close(some, 0.7 * stylizer.stylize(photo) + 0.3 * expected)
    picture = to_tensor(stylizer.stylize(small, keep_colours=True, brush=False))
    expected = stylizer.stylize(photo, keep_colours=True, brush=False)
    assert (picture - expected).abs().max() < 1.5 / 255


def test_a_mask_says_where_to_paint(stylizer, small, tmp_path):
    mask = np.zeros((small.height, small.width), np.uint8)
    mask[:, 40:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    painted, photo = np.asarray(stylizer.stylize(small)), np.asarray(small)
    result = np.asarray(stylizer.stylize(small, mask=tmp_path / "mask.png"))
    assert np.array_equal(result[:, :35], photo[:, :35])
    assert np.array_equal(result[:, 45:], painted[:, 45:])
    half = np.asarray(stylizer.stylize(small, mask=mask, strength=0.5))
    assert np.array_equal(half[:, 45:], np.asarray(stylizer.stylize(small, strength=0.5))[:, 45:])
    batch = to_tensor(small).repeat(2, 1, 1, 1)
    assert torch.equal(stylizer.stylize(batch, mask=mask)[1, :, :, :35], batch[1, :, :, :35])


def test_bad_settings_of_a_picture(stylizer, small, tmp_path):
    for settings, message in [
        *(({"size": size}, "whole pixels") for size in (0, -1, 1e3, float("nan"), "big", 10**9)),
        *(({"brush": brush}, "brush=.* must be true or false") for brush in (1, "yes", [])),
        ({"strength": "much"}, "from 0"),
        ({"stroke_size": "much"}, "doubles"),
        ({"keep_colours": "no"}, "keep_colours='no' .--colours. must be from 0"),
        ({"keep_colours": 1.5}, "keep_colours=1.5"),
        ({"keep_colours": float("nan")}, "keep_colours=nan"),
        ({"mask": tmp_path / "gone.png"}, "gone.png"),
    ]:
        with pytest.raises(InputError, match=message):
            stylizer.stylize(small, **settings)
        with pytest.raises(InputError, match=message):
            stylizer.stylize_many([small], **settings)

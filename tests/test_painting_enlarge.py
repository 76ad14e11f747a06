import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from hrstyle.painting import brush, brushed
from hrstyle.painting.enlarge import (
    KUWAHARA_MARGIN,
    STROKE_MARGIN,
    contrast_gain,
    kuwahara,
    smooth_along_strokes,
    step_sizes,
)


def waves(angle, length, size=80):
    """Stripes across `angle`, in radians, each of `length` pixels; `(3, size, size)`."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    wave = np.sin(2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / length)
    return np.stack([0.5 + 0.3 * wave] * 3).astype(np.float32)


def inner(planes, margin):
    return planes[..., margin:-margin, margin:-margin]


@pytest.mark.parametrize("number", range(8))
def test_lines_go_along_strokes_and_not_across(number):
    picture = waves(number * math.pi / 8, 16)
    noise = np.random.default_rng(number).normal(0, 0.05, picture.shape).astype(np.float32)
    drawn = smooth_along_strokes(picture + noise)
    off = drawn - inner(picture, STROKE_MARGIN)
    assert off.std() < 0.4 * noise.std()
    assert drawn.std() > 0.9 * picture.std()
    # Means over squares that take away as much noise take the stripes with it.
    box = torch.nn.functional.avg_pool2d(torch.from_numpy(picture), 9, 1).numpy()
    assert box.std() < 0.75 * picture.std()


def test_a_picture_of_one_colour_stays_as_it_is():
    picture = np.full((3, 60, 50), 0.3, np.float32)
    np.testing.assert_allclose(smooth_along_strokes(picture), 0.3, rtol=1e-5)
    np.testing.assert_allclose(kuwahara(picture), 0.3, rtol=1e-5)
    pixels = np.full((7, 5, 3), (10, 200, 90), np.uint8)
    assert np.array_equal(brushed(pixels, (14, 11)), np.broadcast_to(pixels[0, 0], (14, 11, 3)))


def test_kuwahara_takes_the_quarter_of_one_colour():
    """An independent reading of Kuwahara's filter: the mean of the quarter that varies least."""
    picture = np.random.default_rng(0).random((3, 30, 26)).astype(np.float32)
    luma = np.tensordot([0.299, 0.587, 0.114], picture, 1)
    expected = np.empty((3, 26, 22))
    for y in range(26):
        for x in range(22):
            quarters = [np.s_[y + v : y + v + 3, x + h : x + h + 3] for v in (0, 2) for h in (0, 2)]
            shares = np.array([(luma[q].var() + 1e-5) ** -4 for q in quarters])
            means = np.stack([picture[:, q[0], q[1]].mean((1, 2)) for q in quarters])
            expected[:, y, x] = shares @ means / shares.sum()
    np.testing.assert_allclose(kuwahara(picture), expected, rtol=2e-3, atol=1e-4)


def test_a_blurred_edge_becomes_sharp():
    ramp = np.interp(np.arange(40), [17, 22], [0.2, 0.8]).astype(np.float32)
    result = kuwahara(np.tile(ramp, (3, 12, 1)))
    assert np.abs(np.diff(result[0, 0])).max() > 1.5 * np.abs(np.diff(ramp)).max()


@pytest.mark.parametrize("work", [smooth_along_strokes, kuwahara])
def test_tensors_are_treated_as_arrays_are(work):
    batch = np.random.default_rng(1).random((2, 3, 45, 50)).astype(np.float32)
    result = work(torch.from_numpy(batch))
    assert result.dtype == torch.float32
    for picture, expected in zip(result, batch, strict=True):
        np.testing.assert_allclose(picture, work(expected), rtol=1e-3, atol=1e-5)
    margin = STROKE_MARGIN if work is smooth_along_strokes else KUWAHARA_MARGIN
    assert result.shape == (2, 3, 45 - 2 * margin, 50 - 2 * margin)


def test_a_whole_picture_as_tensors_and_as_arrays():
    """As tensors it is what a GPU does; only arrays are kept in 16 bits in between."""
    random = np.random.default_rng(6)
    batch = np.stack([waves(0.3, 9), waves(2, 30)]) + random.normal(0, 0.05, (2, 3, 80, 80))
    batch = batch.clip(0, 1).astype(np.float32)
    for end in ((80, 80), (150, 170), (300, 420)):
        array, tensor = np.empty((2, 3, *end), np.float32), torch.empty(2, 3, *end)
        brush(batch, array)
        brush(torch.from_numpy(batch), tensor)
        np.testing.assert_allclose(tensor, array, atol=1 / 255)
        pixels = np.empty((*end, 3), np.uint8)
        brush(batch[0], pixels.transpose(2, 0, 1))
        assert np.array_equal(pixels, (array[0] * 255).round().transpose(1, 2, 0))
        brush(batch[1:], array[1:])  # each picture for itself
        np.testing.assert_allclose(tensor[1], array[1], atol=1 / 255)


@pytest.mark.parametrize(
    ("size", "end"),
    [((10, 10), (10, 10)), ((10, 20), (16, 32)), ((600, 900), (6000, 9001)), ((1, 5), (3, 80))],
)
def test_steps_are_small_and_come_to_the_end(size, end):
    way = [size, *step_sizes(size, end)]
    assert way[-1] == end
    for (low, narrow), (high, wide) in pairwise(way):
        assert low <= high <= 1.8 * low + 1
        assert narrow <= wide <= 1.8 * narrow + 1


def test_contrast_and_brightness_are_what_they_were():
    random = np.random.default_rng(3)
    blobs = Image.fromarray(random.integers(40, 200, (30, 40, 3), dtype=np.uint8)).resize(
        (240, 180)
    )
    painted = np.asarray(blobs, np.int16) + random.integers(-20, 21, (180, 240, 1))
    painted = painted.clip(0, 255).astype(np.uint8)
    result = brushed(painted, (180, 240)).astype(float)
    assert np.abs(result.mean((0, 1)) - painted.mean((0, 1))).max() < 2
    assert 0.9 < (result.std((0, 1)) / painted.std((0, 1))).min() <= 1.02
    assert contrast_gain(np.array(2.0), np.array(1.0)) == pytest.approx(1.3)
    assert contrast_gain(np.array(0.0), np.array(0.0)) == 1
    assert contrast_gain(np.array(1.1), np.array(1.0)) == pytest.approx(1.1, rel=1e-4)


def test_the_smallest_pictures_keep_their_brightness():
    for size in ((1, 1), (1, 9), (2, 3)):
        pixels = np.random.default_rng(4).integers(0, 256, (*size, 3), dtype=np.uint8)
        result = brushed(pixels, (3 * size[0], 3 * size[1]))
        assert result.shape == (3 * size[0], 3 * size[1], 3)
        assert abs(result.mean() - pixels.mean()) < 25


def test_one_channel_without_a_difference():
    pixels = np.random.default_rng(5).integers(0, 256, (503, 300, 3), dtype=np.uint8)
    pixels[..., 1] = 163
    assert (brushed(pixels, (503, 300))[..., 1] == 163).all()

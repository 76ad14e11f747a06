from itertools import pairwise

import cv2
import numpy as np
import pytest

from hrstyle.errors import InputError
from hrstyle.video.steady import Steady

HEIGHT, WIDTH, COUNT = 96, 128, 10


def texture(seed, height=HEIGHT, width=WIDTH + 64):
    noise = np.random.RandomState(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.clip((smooth - 127) * 5 + 127, 0, 255).astype(np.uint8)


def pan(step):
    """A camera that moves to the right by `step` pixels a picture."""
    scene = texture(0)
    return [scene[:, t * step : t * step + WIDTH] for t in range(COUNT)]


def flickering(clip, noise=40):
    """Paintings of a clip in which every picture has strokes of its own."""
    random = np.random.RandomState(1)
    strokes = [cv2.GaussianBlur(random.normal(0, noise * 4, c.shape), (0, 0), 1.5) for c in clip]
    return [np.clip(c + s, 0, 255).astype(np.uint8) for c, s in zip(clip, strokes, strict=True)]


def warping_error(results, step):
    """The mean squared change along the true motion."""
    changes = [
        (after[:, : WIDTH - step].astype(float) - before[:, step:]) ** 2
        for before, after in pairwise(results[2:])
    ]
    return np.mean(changes)


def sharpness(results):
    """The mean squared difference of neighbours."""
    pictures = np.array(results[2:], np.float32)
    return sum((np.diff(pictures, axis=axis) ** 2).mean() for axis in (1, 2))


def steadied(clip, painted, steady=1.0):
    step = Steady(steady)
    return [step(c, p) for c, p in zip(clip, painted, strict=True)]


@pytest.mark.parametrize("step", [0, 3])
def test_strokes_move_along_with_the_scene(step):
    clip = pan(step)
    painted = flickering(clip)
    errors = {s: warping_error(steadied(clip, painted, s), step) for s in (0.0, 0.5, 1.0)}
    assert errors[0.0] == warping_error(painted, step)
    assert errors[0.5] < 0.7 * errors[0.0]
    assert errors[1.0] < 0.4 * errors[0.0]
    running = [painted[0].astype(float)]
    for picture in painted[1:]:
        running.append(0.6 * running[-1] + 0.4 * picture)
    result = steadied(clip, painted)
    assert sharpness(result) > 0.8 * sharpness(painted)
    assert sharpness(result) > 1.1 * sharpness(running)


def test_a_cut_starts_anew():
    other = [texture(5)[:, :WIDTH]] * COUNT
    clip = pan(1)[:5] + other
    painted = flickering(clip)
    results = steadied(clip, painted)
    assert (results[0] == painted[0]).all()
    assert (results[5] == painted[5]).all()
    alone = steadied(clip[5:], painted[5:])
    assert (np.array(results[5:]) == np.array(alone)).all()


def test_what_comes_into_view_is_painted_anew():
    """A square moves over a still scene; what it uncovers carries nothing of it along."""
    scene = texture(0)[:, :WIDTH]
    clip, painted = [], []
    for t in range(COUNT):
        picture = scene.copy()
        picture[30:70, 10 + 6 * t : 50 + 6 * t] = 255 - texture(7)[:40, :40] // 2
        clip.append(picture)
        painted.append(255 - picture)
    results = steadied(clip, painted)
    for t in range(1, COUNT):
        uncovered = np.s_[32:68, 10 + 6 * (t - 1) : 10 + 6 * t]
        ghost = np.abs(results[t][uncovered].astype(float) - painted[t][uncovered]).mean()
        was = np.abs(painted[t - 1][uncovered].astype(float) - painted[t][uncovered]).mean()
        assert ghost < 0.35 * was


def test_a_steady_painting_stays_as_it_is():
    clip = pan(0)
    for result in steadied(clip, clip):
        assert np.abs(result.astype(int) - clip[0]).mean() < 1


@pytest.mark.parametrize("size", [(1, 1), (12, 100), (24, 700), (700, 24), (33, 1500), (1000, 700)])
def test_pictures_of_any_size_keep_it(size):
    clip = [
        np.random.RandomState(t).randint(0, 256, (*size, 3)).astype(np.uint8) for t in (1, 1, 2)
    ]
    for picture, result in zip(clip, steadied(clip, clip), strict=True):
        assert result.shape == picture.shape
        assert result.dtype == np.uint8


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), "much"])
def test_impossible_values_are_input_errors(value):
    with pytest.raises(InputError, match="steady="):
        Steady(value)

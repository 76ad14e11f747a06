"""Steady pictures: what has been painted moves along with the scene.

A network paints each picture anew, and strokes that hang on a shade of difference jump. So the
last result is carried along the motion of the clip and blended with the new painting (Ruder et al.,
"Artistic style transfer for videos", GCPR 2016, optimise for the same; Lai et al., "Learning blind
video temporal consistency", ECCV 2018, train for it). It is carried only where it fits: where the
motion there and back agrees, and where the clip, carried along as well, still looks like the clip.
A blend of two paintings is softer than either, so the result gets back the new one's contrast; that
is for the eye alone and is not carried on, or it would build up.
"""

from functools import lru_cache
from numbers import Real
from typing import Any

import cv2 as opencv
import numpy as np
from numpy.typing import NDArray

from hrstyle.errors import InputError

cv2: Any = opencv  # its type stubs know few of the arrays it takes

CARRIED_SHARE = 0.9
"""Share of the carried picture in the blend, where it fits."""
_FLOW_SIDE = 640
"""Longer side of the pictures between which motion is sought; larger ones are reduced."""
_FLOW_MISMATCH = (2.0, 6.0)
"""Pixels from which there and back disagree: the carried picture begins to fade, and is gone."""
_COLOUR_MISMATCH = (15.0, 45.0)
"""The same for the difference of the clip from the carried clip, of 255."""
_MIN_CARRIED = 0.25
"""Where less than this of the picture can be carried on average, a new shot begins."""
_DETAIL_SIGMA = 1.5
"""Standard deviation in pixels of the blur that tells detail from the rest."""
_CONTRAST_WINDOW = 31
"""Side in pixels of the square in which contrast is measured."""
_EXTRA_ENERGY = 0.12
"""How much more energy than the new painting's the detail gets where all is carried: a blend loses
what is finer still as well, which raising the detail cannot bring back."""
_MAX_GAIN = 2.0
"""The most that detail is raised."""
_MIN_SIDE = 32
"""Pixels of the shorter side from which motion can be sought; OpenCV crashes on narrower ones."""
_OUTSIDE = (-1000.0, -1000.0, -1000.0)
"""The colour of what lies outside, unlike any."""

_Floats = NDArray[np.float32]


def check_steady(steady: float) -> None:
    """Raise InputError unless it is a number from 0 to 1."""
    if not (isinstance(steady, Real) and 0 <= steady <= 1):
        raise InputError(f"steady={steady!r} must be from 0 (each picture anew) to 1 (steady)")


class Steady:
    """Called with one picture of a clip after the other, gives them back steadied.

    Args:
        steady: from 0, each picture as it was painted, to 1, as steady as can be.

    Raises:
        InputError: another value.
    """

    def __init__(self, steady: float = 1.0):
        check_steady(steady)
        self._share = CARRIED_SHARE * steady
        fast = cv2.DISOPTICAL_FLOW_PRESET_FAST
        self._back, self._forth = (cv2.DISOpticalFlow.create(fast) for _ in range(2))
        # Strokes are fine: the motion along which they are carried is sought at half the size
        # instead of a quarter. Its smoothing costs as much again and changes little.
        self._back.setFinestScale(1)
        self._back.setVariationalRefinementIterations(0)
        self._last: tuple[NDArray[np.uint8], _Floats, _Floats] | None = None

    def __call__(self, picture: NDArray[np.uint8], painted: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The next picture `(H, W, 3)` of the clip and its painting -> the steadied painting."""
        small = _reduced(picture)
        if not self._share or min(small.shape[:2]) < _MIN_SIDE:
            return painted
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        clip, new = small.astype(np.float32), painted.astype(np.float32)
        if self._last is None or self._last[0].shape != grey.shape:
            self._last = grey, clip, new
            return painted
        before, carried_clip, carried = self._last
        there: _Floats = self._back.calc(grey, before, None)  # from each pixel to where it was
        places = _grid(*grey.shape) + there
        carried_clip = cv2.remap(
            carried_clip, places, None, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, _OUTSIDE
        )
        weight = _falling(_difference(carried_clip, clip), _COLOUR_MISMATCH)
        back = cv2.remap(self._forth.calc(before, grey, None), places, None, cv2.INTER_LINEAR)
        weight *= _falling(cv2.magnitude(*cv2.split(there + back)), _FLOW_MISMATCH)
        if weight.mean() < _MIN_CARRIED:
            self._last = grey, clip, new
            return painted
        weight *= np.float32(self._share)
        blended = _blend(clip, carried_clip, weight)
        height, width = painted.shape[:2]
        if small.shape != painted.shape:
            scale = np.array([width / small.shape[1], height / small.shape[0]], np.float32)
            places = _grid(height, width) + cv2.resize(there, (width, height)) * scale
            weight = cv2.resize(weight, (width, height))
        carried = cv2.remap(carried, places, None, cv2.INTER_LANCZOS4, None, cv2.BORDER_REFLECT_101)
        result = _blend(new, carried, weight)
        self._last = grey, blended, result
        return _with_contrast_of(new, result, weight)


def _reduced(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    share = _FLOW_SIDE / max(height, width)
    if share >= 1:
        return picture
    size = max(1, round(width * share)), max(1, round(height * share))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


@lru_cache(maxsize=2)
def _grid(height: int, width: int) -> _Floats:
    """The place of each pixel: `(height, width, 2)`, x and y."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([columns, rows], -1).astype(np.float32)


def _difference(a: _Floats, b: _Floats) -> _Floats:
    """The largest of a pixel's channels, averaged over its neighbours: `(H, W)`."""
    red, green, blue = cv2.split(cv2.absdiff(a, b))
    return cv2.blur(cv2.max(cv2.max(red, green), blue), (3, 3))


def _falling(values: _Floats, span: tuple[float, float]) -> _Floats:
    """1 up to the first of the two, 0 from the second, and evenly in between."""
    begins, ends = span
    return np.clip((ends - values) / np.float32(ends - begins), 0, 1)


def _blend(new: _Floats, carried: _Floats, weight: _Floats) -> _Floats:
    return new + (carried - new) * weight[..., None]


def _with_contrast_of(painted: _Floats, result: _Floats, weight: _Floats) -> NDArray[np.uint8]:
    """The result with its details as strong as the painting's nearby."""
    smooth = cv2.GaussianBlur(result, (0, 0), _DETAIL_SIGMA)
    detail = result - smooth
    have, want = (
        _energy(detail),
        _energy(painted - cv2.GaussianBlur(painted, (0, 0), _DETAIL_SIGMA)),
    )
    gain = np.sqrt(want * (1 + np.float32(_EXTRA_ENERGY) * weight) / (have + 1))
    sharp = smooth + detail * np.clip(gain, 1, np.float32(_MAX_GAIN))[..., None]
    return np.clip(sharp + 0.5, 0, 255).astype(np.uint8)


def _energy(detail: _Floats) -> _Floats:
    return cv2.blur(np.einsum("hwc,hwc->hw", detail, detail), (_CONTRAST_WINDOW, _CONTRAST_WINDOW))

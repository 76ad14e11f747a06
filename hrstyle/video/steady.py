"""Reduce flicker: warp the previous result along the optical flow, and blend it with the new one.

A network repaints each frame independently, so small changes of the input make strokes jump.
Warping and blending keeps them in place. (Ruder et al., "Artistic style transfer for videos", GCPR
2016, optimise for the same; Lai et al., "Learning blind video temporal consistency", ECCV 2018,
train for it.) A pixel is warped only where forward and backward flow agree, and where the warped
previous frame of the clip looks like the new frame. A blend of two repaints is softer than either,
so the contrast of the new one is restored in the output. The next frame is blended with the result
before that step, because the contrast would build up otherwise.
"""

from functools import lru_cache
from numbers import Real
from typing import Any

import cv2 as opencv
import numpy as np
from numpy.typing import NDArray

from hrstyle.errors import InputError

cv2: Any = opencv  # its type stubs reject many valid arrays

CARRIED_SHARE = 0.9
"""Share of the warped result in the blend, where it fits."""
_FLOW_SIDE = 640
"""Maximal longer side in pixels of the frames for the optical flow; larger ones are reduced."""
_FLOW_MISMATCH = (2.0, 6.0)
"""Distance in pixels between forward and backward flow at which the share of the warped result
begins to fall, and at which it is 0."""
_COLOUR_MISMATCH = (15.0, 45.0)
"""The same for the colour difference, of 255, between the frame and the warped previous frame."""
_MIN_CARRIED = 0.25
"""A mean weight of the warped result below this is taken as a cut, and the blend starts anew."""
_DETAIL_SIGMA = 1.5
"""Standard deviation in pixels of the blur that separates detail from the rest."""
_CONTRAST_WINDOW = 31
"""Side in pixels of the square in which contrast is measured."""
_EXTRA_ENERGY = 0.12
"""Extra energy of the detail, relative to the new repaint's, where the warped result has full
weight. It makes up for the finest detail, which a blend loses for good."""
_MAX_GAIN = 2.0
"""Maximal factor on the detail."""
_MIN_SIDE = 32
"""Minimal shorter side in pixels for the optical flow; OpenCV crashes on smaller ones."""
_OUTSIDE = (-1000.0, -1000.0, -1000.0)
"""Colour of pixels outside the frame, which matches no real colour."""

_Floats = NDArray[np.float32]


def check_steady(steady: float) -> None:
    """Raise InputError unless it is a number from 0 to 1."""
    if not (isinstance(steady, Real) and 0 <= steady <= 1):
        raise InputError(f"steady={steady!r} must be from 0 (each picture anew) to 1 (steady)")


class Steady:
    """Reduces the flicker of a clip. Call it with one frame after the other.

    Args:
        steady: from 0 (every frame as it was repainted) to 1 (steadiest).

    Raises:
        InputError: a value out of range.
    """

    def __init__(self, steady: float = 1.0):
        check_steady(steady)
        self._share = CARRIED_SHARE * steady
        fast = cv2.DISOPTICAL_FLOW_PRESET_FAST
        self._back, self._forth = (cv2.DISOpticalFlow.create(fast) for _ in range(2))
        # Strokes are fine, so the flow along which they are warped is computed down to half the
        # resolution instead of a quarter. Variational refinement would double the time for little.
        self._back.setFinestScale(1)
        self._back.setVariationalRefinementIterations(0)
        self._last: tuple[NDArray[np.uint8], _Floats, _Floats] | None = None

    def __call__(self, picture: NDArray[np.uint8], painted: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The steadied repaint, for the next frame `(H, W, 3)` of the clip and its repaint."""
        small = _reduced(picture)
        if not self._share or min(small.shape[:2]) < _MIN_SIDE:
            return painted
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        clip, new = small.astype(np.float32), painted.astype(np.float32)
        if self._last is None or self._last[0].shape != grey.shape:
            self._last = grey, clip, new
            return painted
        before, carried_clip, carried = self._last
        backward: _Floats = self._back.calc(grey, before, None)  # from this frame to the last
        positions = _grid(*grey.shape) + backward
        carried_clip = cv2.remap(
            carried_clip, positions, None, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, _OUTSIDE
        )
        weight = _falling(_difference(carried_clip, clip), _COLOUR_MISMATCH)
        forward = cv2.remap(self._forth.calc(before, grey, None), positions, None, cv2.INTER_LINEAR)
        weight *= _falling(cv2.magnitude(*cv2.split(backward + forward)), _FLOW_MISMATCH)
        if weight.mean() < _MIN_CARRIED:
            self._last = grey, clip, new
            return painted
        weight *= np.float32(self._share)
        blended = _blend(clip, carried_clip, weight)
        height, width = painted.shape[:2]
        if small.shape != painted.shape:
            scale = np.array([width / small.shape[1], height / small.shape[0]], np.float32)
            positions = _grid(height, width) + cv2.resize(backward, (width, height)) * scale
            weight = cv2.resize(weight, (width, height))
        carried = cv2.remap(
            carried, positions, None, cv2.INTER_LANCZOS4, None, cv2.BORDER_REFLECT_101
        )
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
    """The coordinates x and y of each pixel: `(height, width, 2)`."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([columns, rows], -1).astype(np.float32)


def _difference(a: _Floats, b: _Floats) -> _Floats:
    """The largest absolute difference over the channels, averaged over 3×3 pixels: `(H, W)`."""
    red, green, blue = cv2.split(cv2.absdiff(a, b))
    return cv2.blur(cv2.max(cv2.max(red, green), blue), (3, 3))


def _falling(values: _Floats, span: tuple[float, float]) -> _Floats:
    """Linear ramp: 1 up to the first value of `span`, 0 from the second."""
    begins, ends = span
    return np.clip((ends - values) / np.float32(ends - begins), 0, 1)


def _blend(new: _Floats, carried: _Floats, weight: _Floats) -> _Floats:
    return new + (carried - new) * weight[..., None]


def _with_contrast_of(painted: _Floats, result: _Floats, weight: _Floats) -> NDArray[np.uint8]:
    """Scale the result's detail to the local energy of the repaint's detail."""
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

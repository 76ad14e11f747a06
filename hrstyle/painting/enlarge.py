"""The brush filter: turns a network's output into brush strokes and daubs, and enlarges it.

A network's output has a fine grain everywhere, and details of the photo between its strokes. Two
filters remove both. The first replaces each pixel by a mean along the stroke through it. The second
is the Kuwahara filter (Kuwahara et al. 1976): of four squares around a pixel, it takes the mean of
the most uniform one. Averaging lowers the contrast of the picture, so it is raised to what it was.
After Kyprianidis & Kang, "Image and Video Abstraction by Coherence-Enhancing Filtering"
(Eurographics 2011), with two rounds of straight lines in place of curved lines, and the Kuwahara
filter in place of shock filtering.

The code works on NumPy arrays and PyTorch tensors alike: planes `(…, 3, H, W)`. Each filter needs a
margin around its input, and its output is smaller by this margin on every side. Intermediate
results are not rounded to 8 bits: the Kuwahara filter compares small differences, so rounding would
show.
"""

import math

import numpy as np
from numpy.typing import NDArray

from hrstyle.painting.bands import Change, Planes, Stored, apply, empty_planes, moments

_DIRECTIONS = 8
_LINE_OFFSETS = (1, 2), (3, 6)  # near and far offset of the sampled pixels, in each round
# Weights of the pixel itself, the two near and the two far ones: a Gaussian whose sum is 1.
_CENTRE, _NEAR, _FAR = 1 / 2.98, 0.72 / 2.98, 0.27 / 2.98
_TENSOR_RADIUS = 5  # pixels around that the structure tensor needs
_KUWAHARA_RADIUS = 2  # pixels around that the Kuwahara filter needs
_MIN_VARIANCE = 1e-5  # below this variance, a square counts as uniform
_MAX_STEP = 1.7  # largest factor of one enlarging step; the Kuwahara filter sharpens each step
_MAX_CONTRAST_GAIN = 1.3  # largest factor by which the contrast is raised

STROKE_MARGIN, KUWAHARA_MARGIN = (
    _TENSOR_RADIUS + sum(line[-1] for line in _LINE_OFFSETS),
    _KUWAHARA_RADIUS,
)


def smooth_along_strokes(planes: Planes) -> Planes:
    """Smooth along the strokes: a weighted mean over 17 pixels, with a standard deviation of 3.5.

    Args:
        planes: `(…, 3, H, W)`. The result is smaller by `STROKE_MARGIN` on each side.
    """
    weights = _directions(planes)
    planes = _crop(planes, _TENSOR_RADIUS)
    for line in _LINE_OFFSETS:
        weights = [_crop(weight, line[-1]) for weight in weights]
        planes = _line_means(planes, weights, line)
    return planes


def _directions(planes: Planes) -> list[Planes]:
    """The weight of each of `_DIRECTIONS` directions at each pixel; the weights sum to 1.

    A direction weighs the more, the closer it is to the stroke's, in which the colours change
    least. That is taken from the structure tensor of the three channels (Di Zenzo 1986), written as
    a vector at twice the angle and smoothed twice by a 5x5 box filter.
    """
    across = planes[..., 1:-1, 2:] - planes[..., 1:-1, :-2]
    down = planes[..., 2:, 1:-1] - planes[..., :-2, 1:-1]
    cosine = _smooth((across * across - down * down).sum(-3))
    sine = _smooth((2 * across * down).sum(-3))
    length = (cosine * cosine + sine * sine) ** 0.5 + 1e-8
    cosine /= -length  # negated: the stroke is at right angles to the strongest change
    sine /= -length
    least = math.cos(2 * math.pi / _DIRECTIONS)
    angles = [2 * math.pi * number / _DIRECTIONS for number in range(_DIRECTIONS // 2)]
    half = [math.cos(angle) * cosine + math.sin(angle) * sine for angle in angles]
    weights = [part.clip(least) - (least - 1e-4) for part in (*half, *(-part for part in half))]
    total = _sum(weights)
    for weight in weights:
        weight /= total
    return weights


def _smooth(plane: Planes) -> Planes:
    for _ in range(2):
        plane = _box(plane, 5)
    return plane


def _box(plane: Planes, side: int) -> Planes:
    """Box filter: the means of all squares of `side` x `side` pixels."""
    height, width = plane.shape[-2] - side + 1, plane.shape[-1] - side + 1
    rows = _sum([plane[..., i : i + height, :] for i in range(side)])
    result = _sum([rows[..., i : i + width] for i in range(side)])
    result *= 1 / side**2
    return result


def _sum(planes: list[Planes]) -> Planes:
    """Sum of at least two planes; allocates only the result."""
    result = planes[0] + planes[1]
    for plane in planes[2:]:
        result += plane
    return result


def _line_means(planes: Planes, weights: list[Planes], line: tuple[int, int]) -> Planes:
    height, width = weights[0].shape[-2:]
    near, far = line

    def moved(planes: Planes, by: int, angle: float) -> Planes:
        down, right = round(by * math.sin(angle)), round(by * math.cos(angle))
        top, left = far + down, far + right
        return planes[..., top : top + height, left : left + width]

    # Weights are in units of _FAR. The direction weights sum to 1, so the centre is added once.
    result = moved(planes, 0, 0) * (_CENTRE / _FAR)
    nearer = planes * (_NEAR / _FAR)
    for number, weight in enumerate(weights):
        angle = math.pi * number / _DIRECTIONS
        mean = moved(nearer, near, angle) + moved(nearer, -near, angle)
        mean += moved(planes, far, angle)
        mean += moved(planes, -far, angle)
        mean *= weight[..., None, :, :]
        result += mean
    result *= _FAR
    return result


def kuwahara(planes: Planes) -> Planes:
    """The Kuwahara filter, with soft weights (Papari et al. 2007) in place of the one best square.

    Each of the four squares of 3x3 pixels with a corner at the pixel is weighted by its brightness
    variance to the power of -4.

    Args:
        planes: `(…, 3, H, W)`. The result is smaller by `KUWAHARA_MARGIN` on each side.
    """
    mean, square = (
        _box(planes, _KUWAHARA_RADIUS + 1),
        _box(_luma(planes) ** 2, _KUWAHARA_RADIUS + 1),
    )
    variance = (square - _luma(mean) ** 2).clip(0) + _MIN_VARIANCE
    weight = 1 / (variance * variance)
    weight = weight * weight
    height, width = (side - 2 * _KUWAHARA_RADIUS for side in planes.shape[-2:])
    result: Planes = 0
    total: Planes = 0
    for top in (0, _KUWAHARA_RADIUS):
        for left in (0, _KUWAHARA_RADIUS):
            at = (..., slice(top, top + height), slice(left, left + width))
            result += weight[at][..., None, :, :] * mean[at]
            total += weight[at]
    result /= total[..., None, :, :]
    return result


def _luma(planes: Planes) -> Planes:
    """Brightness by ITU-R BT.601."""
    red, green, blue = (planes[..., channel, :, :] for channel in range(3))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _crop(planes: Planes, margin: int) -> Planes:
    return planes[..., margin:-margin, margin:-margin]


def contrast_gain(before: Planes, after: Planes) -> Planes:
    """Factor that restores the standard deviation `before` from `after`, within bounds."""
    return (before / (after + 1e-6)).clip(1, _MAX_CONTRAST_GAIN)


def step_sizes(size: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """Height and width after each step of enlarging from `size` to `end`; the last one is `end`."""
    times = max(end[0] / size[0], end[1] / size[1])
    count = max(1, math.ceil(math.log(times) / math.log(_MAX_STEP) - 1e-6)) if times > 1 else 1
    between = [(i / count, 1 - i / count) for i in range(1, count)]
    return [
        (round(end[0] ** to * size[0] ** past), round(end[1] ** to * size[1] ** past))
        for to, past in between
    ] + [end]


def brushed(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The brush filter (`brush`) for an 8-bit picture; returns a new one `(H, W, 3)`.

    Args:
        pixels: `(H, W, 3)`, uint8.
        size: height and width of the result; no side may be smaller than the picture's.
    """
    result = np.empty((*size, 3), np.uint8)
    brush(pixels.transpose(2, 0, 1), result.transpose(2, 0, 1))
    return result


def brush(picture: Stored, result: Stored) -> None:
    """Apply the brush filter to a network's output, and enlarge it to the size of `result`.

    The Kuwahara filter runs in each step of enlarging except the last of several: there it would
    turn soft edges into stairs of pixels.

    Args:
        picture: an array or a tensor, see `hrstyle.painting.bands`.
        result: array or tensor, of the picture's kind, that is overwritten. No side may be smaller
            than the picture's. It may be `picture` itself.
    """
    smooth = empty_planes(picture, picture.shape[-2:])
    apply(smooth_along_strokes, picture, smooth, margin=STROKE_MARGIN)
    (mean, std), (smooth_mean, smooth_std) = moments(picture), moments(smooth)
    gain = contrast_gain(std, smooth_std)
    change: Change | None = (gain, mean - gain * smooth_mean)
    *before, _ = step_sizes(tuple(picture.shape[-2:]), tuple(result.shape[-2:]))
    for step in before:
        larger = empty_planes(picture, step)
        apply(kuwahara, smooth, larger, margin=KUWAHARA_MARGIN, change=change)
        smooth, change = larger, None
    if before:
        apply(lambda planes: planes, smooth, result)
    else:
        apply(kuwahara, smooth, result, margin=KUWAHARA_MARGIN, change=change)

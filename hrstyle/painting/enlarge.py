"""From what a network painted to paint: strokes are drawn out, and run together into daubs.

A network leaves a grain of its own on everything, and details of the photo between its strokes.
Here each place becomes the mean of those along the stroke that it lies in, and then of the quarter
of its surroundings that is most of one colour. After Kyprianidis & Kang, "Image and Video
Abstraction by Coherence-Enhancing Filtering" (Eurographics 2011), but with rounds of straight lines
for curved ones, and the filter of Kuwahara et al. (1976) in place of shocks. What means take from
the contrast is given back.

The arithmetic is written once, for NumPy's arrays and PyTorch's tensors: planes `(…, 3, H, W)`.
Each step gives as much less than it takes as it looks around itself. In between, nothing is rounded
to bytes: what runs together hangs on small differences, and would show it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from hrstyle.painting.bands import Change, Planes, Stored, apply, moments, room

_DIRECTIONS = 8
_LINES = (1, 2), (3, 6)  # pixels to either side that a mean takes in, in each round
_CENTRE, _NEAR, _FAR = 1 / 2.98, 0.72 / 2.98, 0.27 / 2.98  # their weights: Gaussian, together 1
_SEEN = 5  # pixels around, from which the direction is taken
_DAUB = 2  # pixels to either side from which a daub takes its colour
_EVEN = 1e-5  # variance below which surroundings count as of one colour
_STEP = 1.7  # times, at most, that a picture is enlarged before its edges are made sharp again
_MOST_CONTRAST = 1.3  # times, at most, that it is raised to what it was

DRAW_MARGIN, DAUB_MARGIN = _SEEN + sum(line[-1] for line in _LINES), _DAUB


def draw_out(planes: Planes) -> Planes:
    """Each place the mean along its stroke, over 17 pixels, with a deviation of 3.5.

    Args:
        planes: with `DRAW_MARGIN` more on each side than what is given.
    """
    shares = _directions(planes)
    planes = _cut(planes, _SEEN)
    for line in _LINES:
        shares = [_cut(share, line[-1]) for share in shares]
        planes = _along(planes, shares, line)
    return planes


def _directions(planes: Planes) -> list[Planes]:
    """How far each of `_DIRECTIONS` is the one in which the least changes; together 1.

    From the structure tensor of the three channels (Di Zenzo 1986), as a vector of twice the
    angle, smoothed by two means of 5 x 5.
    """
    across = planes[..., 1:-1, 2:] - planes[..., 1:-1, :-2]
    down = planes[..., 2:, 1:-1] - planes[..., :-2, 1:-1]
    cosine = _smooth((across * across - down * down).sum(-3))
    sine = _smooth((2 * across * down).sum(-3))
    length = (cosine * cosine + sine * sine) ** 0.5 + 1e-8
    cosine /= -length  # a stroke runs along, not across
    sine /= -length
    least = math.cos(2 * math.pi / _DIRECTIONS)
    angles = [2 * math.pi * number / _DIRECTIONS for number in range(_DIRECTIONS // 2)]
    half = [math.cos(angle) * cosine + math.sin(angle) * sine for angle in angles]
    shares = [part.clip(least) - (least - 1e-4) for part in (*half, *(-part for part in half))]
    total = _sum(shares)
    for share in shares:
        share /= total
    return shares


def _smooth(plane: Planes) -> Planes:
    for _ in range(2):
        plane = _box(plane, 5)
    return plane


def _box(plane: Planes, side: int) -> Planes:
    """Means of all squares of `side` pixels."""
    height, width = plane.shape[-2] - side + 1, plane.shape[-1] - side + 1
    rows = _sum([plane[..., i : i + height, :] for i in range(side)])
    result = _sum([rows[..., i : i + width] for i in range(side)])
    result *= 1 / side**2
    return result


def _sum(planes: list[Planes]) -> Planes:
    """Of at least two, with one new array for all of it."""
    result = planes[0] + planes[1]
    for plane in planes[2:]:
        result += plane
    return result


def _along(planes: Planes, shares: list[Planes], line: tuple[int, int]) -> Planes:
    height, width = shares[0].shape[-2:]
    near, far = line

    def moved(planes: Planes, by: int, angle: float) -> Planes:
        down, right = round(by * math.sin(angle)), round(by * math.cos(angle))
        top, left = far + down, far + right
        return planes[..., top : top + height, left : left + width]

    # In units of the farthest's weight; the shares are together 1, so the centre counts once.
    result = moved(planes, 0, 0) * (_CENTRE / _FAR)
    nearer = planes * (_NEAR / _FAR)
    for number, share in enumerate(shares):
        angle = math.pi * number / _DIRECTIONS
        mean = moved(nearer, near, angle) + moved(nearer, -near, angle)
        mean += moved(planes, far, angle)
        mean += moved(planes, -far, angle)
        mean *= share[..., None, :, :]
        result += mean
    result *= _FAR
    return result


def run_together(planes: Planes) -> Planes:
    """The filter of Kuwahara, with soft shares (Papari et al. 2007) for the one best quarter.

    Args:
        planes: with `_DAUB` more on each side than what is given.
    """
    mean, square = _box(planes, _DAUB + 1), _box(_luma(planes) ** 2, _DAUB + 1)
    variance = (square - _luma(mean) ** 2).clip(0) + _EVEN
    share = 1 / (variance * variance)
    share = share * share
    height, width = (side - 2 * _DAUB for side in planes.shape[-2:])
    result: Planes = 0
    total: Planes = 0
    for top in (0, _DAUB):
        for left in (0, _DAUB):
            at = (..., slice(top, top + height), slice(left, left + width))
            result += share[at][..., None, :, :] * mean[at]
            total += share[at]
    result /= total[..., None, :, :]
    return result


def _luma(planes: Planes) -> Planes:
    """Brightness by ITU-R BT.601."""
    red, green, blue = (planes[..., channel, :, :] for channel in range(3))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _cut(planes: Planes, margin: int) -> Planes:
    return planes[..., margin:-margin, margin:-margin]


def contrast(before: Planes, after: Planes) -> Planes:
    """How many times a standard deviation is to be raised to be what it was, within bounds."""
    return (before / (after + 1e-6)).clip(1, _MOST_CONTRAST)


def steps(size: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """Heights and widths on the way from one size to a larger, the last one the end."""
    times = max(end[0] / size[0], end[1] / size[1])
    count = max(1, math.ceil(math.log(times) / math.log(_STEP) - 1e-6)) if times > 1 else 1
    between = [(i / count, 1 - i / count) for i in range(1, count)]
    return [
        (round(end[0] ** to * size[0] ** past), round(end[1] ** to * size[1] ** past))
        for to, past in between
    ] + [end]


def brushed(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """`brush` for a picture of bytes.

    Args:
        pixels: `(H, W, 3)`.
        size: height and width of what is given, none less than the picture's.
    """
    result = np.empty((*size, 3), np.uint8)
    brush(pixels.transpose(2, 0, 1), result.transpose(2, 0, 1))
    return result


def brush(picture: Stored, result: Stored) -> None:
    """Make paint of a painted picture, and enlarge it.

    After the last of several steps its edges are left soft: sharp ones would be stairs of pixels.

    Args:
        picture: an array, or a tensor.
        result: the same, where the paint goes; no side is less than the picture's. It may be the
            picture itself.
    """
    drawn = room(picture, picture.shape[-2:])
    apply(draw_out, picture, drawn, margin=DRAW_MARGIN)
    (mean, std), (middle, less) = moments(picture), moments(drawn)
    gain = contrast(std, less)
    change: Change | None = (gain, mean - gain * middle)
    *before, _ = steps(tuple(picture.shape[-2:]), tuple(result.shape[-2:]))
    for step in before:
        larger = room(picture, step)
        apply(run_together, drawn, larger, margin=DAUB_MARGIN, change=change)
        drawn, change = larger, None
    if before:
        apply(lambda planes: planes, drawn, result)
    else:
        apply(run_together, drawn, result, margin=DAUB_MARGIN, change=change)

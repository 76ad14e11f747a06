"""From what a network painted to paint: strokes are drawn out, and run together into daubs.

A network leaves a grain of its own on everything, and details of the photo between its strokes.
Here each place becomes the mean of those along the stroke that it lies in, and then of the quarter
of its surroundings that is most of one colour. After Kyprianidis & Kang, "Image and Video
Abstraction by Coherence-Enhancing Filtering" (Eurographics 2011), but with rounds of straight lines
for curved ones, and the filter of Kuwahara et al. (1976) in place of shocks. What means take from
the contrast is given back.

The arithmetic is written once, for NumPy's arrays and PyTorch's tensors: planes `(…, 3, H, W)`.
Each step gives as much less than it takes as it looks around itself.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hrstyle.pipeline import WORKERS

Planes = Any
"""`(…, 3, H, W)`, float32 in [0, 1]: an array of NumPy or a tensor of PyTorch."""

_DIRECTIONS = 8
_LINES = (1, 2), (3, 6)  # pixels to either side that a mean takes in, in each round
_CENTRE, _NEAR, _FAR = 1 / 2.98, 0.72 / 2.98, 0.27 / 2.98  # their weights: Gaussian, together 1
_SEEN = 5  # pixels around, from which the direction is taken
_DAUB = 2  # pixels to either side from which a daub takes its colour
_EVEN = 1e-5  # variance below which surroundings count as of one colour
_STEP = 1.7  # times, at most, that a picture is enlarged before its edges are made sharp again
_MOST_CONTRAST = 1.3  # times, at most, that it is raised to what it was
_BAND = 1 << 16  # pixels at a time: what is computed stays in the processor's cache

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


def in_bands(
    work: Callable[[Planes], Planes],
    read: Callable[[NDArray[np.int64], NDArray[np.int64]], Planes],
    write: Callable[[int, Planes], None],
    *,
    size: tuple[int, int],
    margin: int,
    threads: int = 1,
    pixels: int | None = None,
) -> None:
    """Do `work`, which looks `margin` pixels around, on a picture, some rows at a time.

    Args:
        read: planes of these rows and columns; at the border the last ones are repeated.
        write: takes the first row of a band, and what the work made of it.
        size: height and width.
        threads: how many bands are worked on at once.
        pixels: about how many a band has; None: as many as a processor's cache holds.
    """
    height, width = size
    columns = np.arange(-margin, width + margin).clip(0, width - 1)
    # Of a wide picture, too, there is less around a band than in it.
    rows = max((pixels or _BAND) // width, 2 * margin, 1)

    def band(top: int) -> None:
        bottom = min(top + rows, height)
        around = np.arange(top - margin, bottom + margin).clip(0, height - 1)
        write(top, work(read(around, columns)))

    if threads == 1:  # the caller's, which may be in a mode or a stream of its own
        for top in range(0, height, rows):
            band(top)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        for done in [pool.submit(band, top) for top in range(0, height, rows)]:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C nobody waits for the rest


def brushed(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A painted picture as paint, and enlarged.

    After the last of several steps its edges are left soft: sharp ones would be stairs of pixels.

    Args:
        pixels: `(H, W, 3)`.
        size: height and width of what is given, none less than the picture's.
    """
    drawn = _on_bytes(draw_out, pixels, DRAW_MARGIN)
    for channel in range(3):
        (mean, std), (middle, less) = (
            _moments(picture[..., channel]) for picture in (pixels, drawn)
        )
        values = (np.arange(256) - middle) * contrast(std, less) + mean
        drawn[..., channel] = values.clip(0, 255).round().astype(np.uint8)[drawn[..., channel]]
    *before, end = steps(pixels.shape[:2], size)
    for step in before or [end]:
        drawn = _on_bytes(run_together, drawn, DAUB_MARGIN, step)
    return _enlarged(drawn, end) if before else drawn


def _moments(plane: NDArray[np.uint8]) -> tuple[Any, Any]:
    """Mean and standard deviation of bytes, which takes no more memory than they do."""
    counts = np.bincount(plane.ravel(), minlength=256)
    mean = np.average(np.arange(256), weights=counts)
    return mean, np.average((np.arange(256) - mean) ** 2, weights=counts) ** 0.5


def _on_bytes(
    work: Callable[[Planes], Planes],
    pixels: NDArray[np.uint8],
    margin: int,
    size: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """`work` on a picture, enlarged to `size` band by band."""
    height, width = size = size or pixels.shape[:2]
    image, result = Image.fromarray(pixels), np.empty((height, width, 3), np.uint8)

    def read(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Planes:
        band = _rows(image, size, rows[0], rows[-1] + 1)[rows - rows[0]]
        planes = np.pad(band, ((0, 0), (margin, margin), (0, 0)), "edge").transpose(2, 0, 1)
        return np.ascontiguousarray(planes, dtype=np.float32) / np.float32(255)

    def write(top: int, planes: Planes) -> None:
        values = (planes * 255).round().astype(np.uint8)  # means of bytes, none beyond them
        for channel in range(3):  # twice as fast as all at once
            result[top : top + planes.shape[1], :, channel] = values[channel]

    in_bands(work, read, write, size=size, margin=margin, threads=WORKERS)
    return result


def _enlarged(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    image, result = Image.fromarray(pixels), np.empty((*size, 3), np.uint8)

    def write(top: int, band: NDArray[np.uint8]) -> None:
        result[top : top + len(band)] = band

    def read(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.uint8]:
        return _rows(image, size, rows[0], rows[-1] + 1)

    in_bands(lambda band: band, read, write, size=size, margin=0, threads=WORKERS)
    return result


def _rows(image: Image.Image, size: tuple[int, int], first: int, end: int) -> NDArray[np.uint8]:
    """Some rows of a picture enlarged to `size`, `(end - first, W, 3)`."""
    height, width = size
    if (width, height) == image.size:
        return np.asarray(image.crop((0, first, width, end)))
    box = (0, first * image.height / height, image.width, end * image.height / height)
    return np.asarray(image.resize((width, end - first), Image.Resampling.BICUBIC, box))

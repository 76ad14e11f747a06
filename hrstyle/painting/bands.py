"""Apply a filter to a picture band by band, in threads, and enlarge the picture on the way.

A band is some rows of the picture. The code works on NumPy arrays and on PyTorch tensors alike.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrstyle.pipeline import WORKERS

Planes = Any
"""`(…, 3, H, W)`, float32 in [0, 1]: a NumPy array or a PyTorch tensor."""
Stored = Any
"""A picture in memory: `Planes`, or the same shape as uint8 or (arrays only) uint16, full range."""
Change = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Gain and shift of each channel, for planes * gain + shift: `(…, 3, 1, 1)` each."""
Size = tuple[int, int]
"""Height and width."""

_BAND = 1 << 16  # pixels of a band: intermediate results stay in the processor's cache
_BAND_OF_TENSORS = 1 << 22  # pixels of a band on a GPU
_TILE = 128  # columns enlarged by one matrix product; a larger matrix would be mostly zeros
_MAX_VALUE = {"uint8": 255, "uint16": 65535}


def in_bands(
    work: Callable[[Planes], Planes],
    read: Callable[[NDArray[np.int64], NDArray[np.int64]], Planes],
    write: Callable[[int, Planes], None],
    *,
    size: Size,
    margin: int,
    threads: int = 1,
    pixels: int | None = None,
) -> None:
    """Apply the filter `work` to a picture band by band.

    Args:
        work: takes planes with `margin` extra pixels on each side, and returns them without.
        read: takes numbers of rows and columns, and returns these planes. Beyond the border the
            numbers of the outermost rows and columns repeat.
        write: takes the number of a band's first row, and the result of `work`.
        size: height and width of the picture.
        margin: pixels that `work` needs around each pixel.
        threads: number of bands that are computed at the same time.
        pixels: about how many pixels a band has; None: as many as fit a processor's cache.
    """
    height, width = size
    columns = np.arange(-margin, width + margin).clip(0, width - 1)
    # At least 2 * margin rows, so that a band of a wide picture is larger than its margins.
    rows = max((pixels or _BAND) // width, 2 * margin, 1)

    def band(top: int) -> None:
        bottom = min(top + rows, height)
        around = np.arange(top - margin, bottom + margin).clip(0, height - 1)
        write(top, work(read(around, columns)))

    if threads == 1:  # in the caller's thread, to keep its torch modes and CUDA stream
        for top in range(0, height, rows):
            band(top)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        for done in [pool.submit(band, top) for top in range(0, height, rows)]:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C, do not compute the rest


def apply(
    work: Callable[[Planes], Planes],
    picture: Stored,
    result: Stored,
    *,
    margin: int = 0,
    change: Change | None = None,
) -> None:
    """Enlarge a picture to the result's size, apply `change` to it, and then the filter `work`.

    Args:
        work: takes planes in [0, 1] with `margin` extra pixels on each side, and returns them
            without.
        picture: an array or a tensor. No side may be larger than the result's.
        result: array or tensor, of the picture's kind, that is overwritten.
        margin: pixels that `work` needs around each pixel.
        change: gain and shift of each channel; the changed values are clipped to [0, 1].
    """
    height, width = result.shape[-2:]
    enlarged = _Enlarged(picture, (height, width))

    def read(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Planes:
        planes = enlarged(rows, columns)
        if change:
            gain, shift = (_in_kind_of(planes, values) for values in change)
            planes = (planes * gain + shift).clip(0, 1)
        return planes

    def write(top: int, planes: Planes) -> None:
        if largest := _max_value(result):
            planes = (planes * largest).round()
        for channel in range(3):  # twice as fast as all channels at once
            result[..., channel, top : top + planes.shape[-2], :] = planes[..., channel, :, :]

    how = {
        "threads": WORKERS if isinstance(picture, np.ndarray) else 1,
        "pixels": _band_pixels(picture),
    }
    in_bands(work, read, write, size=(height, width), margin=margin, **how)


class _Enlarged:
    """Bicubic enlargement that computes only the rows and columns asked for.

    After Keys, "Cubic convolution interpolation for digital image processing" (1981).
    """

    def __init__(self, picture: Stored, size: Size):
        self._picture = picture
        self._before: Size = picture.shape[-2:]
        self._size = size
        self._tiles: list[tuple[int, Planes]] = []

    def __call__(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Planes:
        """Rows and columns of the enlarged picture. `columns` must be the same in every call."""
        top, down = _bicubic_weights(rows, self._before[0], self._size[0])
        planes = _to_floats(self._picture[..., top : top + down.shape[1], :])
        if self._before[0] == self._size[0]:
            planes = planes[..., rows - top, :]
        else:
            planes = _in_kind_of(planes, down) @ planes
        if self._before[1] == self._size[1]:
            return planes[..., columns]
        if not self._tiles:  # if several threads get here, all compute the same
            parts = [columns[first : first + _TILE] for first in range(0, len(columns), _TILE)]
            found = [_bicubic_weights(part, self._before[1], self._size[1]) for part in parts]
            self._tiles = [(left, _in_kind_of(planes, across.T)) for left, across in found]
        result = _empty_planes(planes, (len(rows), len(columns)))
        for number, (left, across) in enumerate(self._tiles):
            part = planes[..., left : left + len(across)] @ across
            result[..., number * _TILE : number * _TILE + across.shape[1]] = part
        return result.clip(0, 1)


def _bicubic_weights(
    at: NDArray[np.int64], before: int, after: int
) -> tuple[int, NDArray[np.float64]]:
    """Interpolation weights along one axis.

    Args:
        at: positions on the enlarged axis.
        before, after: length of the axis in pixels before and after enlarging.

    Returns:
        The first input position that is needed, and a matrix `(len(at), inputs)` of the weights of
        the inputs from there on.
    """
    positions = (at + 0.5) * (before / after) - 0.5
    nearest = np.floor(positions).astype(np.int64)
    past = positions - nearest

    def near(by: Any) -> Any:
        return (1.5 * by - 2.5) * by * by + 1

    def far(by: Any) -> Any:
        return ((2.5 - 0.5 * by) * by - 4) * by + 2

    first, end = max(nearest.min() - 1, 0), min(nearest.max() + 3, before)
    weights = np.zeros((len(at), end - first))
    each = np.arange(len(at))
    for step, weight in enumerate((far(past + 1), near(past), near(1 - past), far(2 - past)), -1):
        weights[each, (nearest + step).clip(0, before - 1) - first] += weight
    return int(first), weights


def empty_planes(picture: Stored, size: Size) -> Stored:
    """Memory for an intermediate picture of another size; arrays are uint16, half of float32."""
    return _empty_planes(picture, size, np.uint16)


def _empty_planes(picture: Stored, size: Size, dtype: type = np.float32) -> Stored:
    shape = (*picture.shape[:-2], *size)
    return np.empty(shape, dtype) if isinstance(picture, np.ndarray) else picture.new_empty(shape)


def moments(picture: Stored) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel, `(…, 3, 1, 1)`."""
    height, width = picture.shape[-2:]
    rows = max(_band_pixels(picture) // width, 1)
    total = squares = np.zeros(())
    for top in range(0, height, rows):
        band = _to_floats(picture[..., top : top + rows, :])
        total = total + np.array(band.sum((-2, -1)).tolist())
        squares = squares + np.array((band * band).sum((-2, -1)).tolist())
    mean = total / (height * width)
    std = (squares / (height * width) - mean * mean).clip(0) ** 0.5
    return mean[..., None, None], std[..., None, None]


def _band_pixels(picture: Stored) -> int:
    return _BAND if isinstance(picture, np.ndarray) else _BAND_OF_TENSORS


def _to_floats(picture: Stored) -> Planes:
    largest = _max_value(picture)
    if isinstance(picture, np.ndarray):
        planes = picture.astype(np.float32, order="C")
        return planes * np.float32(1 / largest) if largest else planes
    return picture.float() / (largest or 1)


def _max_value(picture: Stored) -> int:
    """The value of an integer type that stands for 1; 0 for float types."""
    return _MAX_VALUE.get(str(picture.dtype).removeprefix("torch."), 0)


def _in_kind_of(planes: Planes, values: NDArray[np.float64]) -> Planes:
    """`values` as float32, as an array or a tensor like `planes`."""
    if isinstance(planes, np.ndarray):
        return values.astype(np.float32)
    return planes.new_tensor(values)

"""Work on a picture some rows at a time, in threads: read enlarged, and stored in its own type.

It is written once, for NumPy's arrays and PyTorch's tensors.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrstyle.pipeline import WORKERS

Planes = Any
"""`(…, 3, H, W)`, float32 in [0, 1]: an array of NumPy or a tensor of PyTorch."""
Stored = Any
"""The same, or over the whole range of uint8 or, for arrays, of uint16."""
Change = tuple[NDArray[np.float64], NDArray[np.float64]]
"""By what values are multiplied, and what is then added: `(…, 3, 1, 1)` each."""
Size = tuple[int, int]
"""Height and width."""

_BAND = 1 << 16  # pixels at a time: what is computed stays in the processor's cache
_BAND_OF_TENSORS = 1 << 22  # on a GPU
_TILE = 128  # columns that are enlarged at a time: most of a larger matrix would be zeros
_LARGEST_VALUE = {"uint8": 255, "uint16": 65535}


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


def apply(
    work: Callable[[Planes], Planes],
    picture: Stored,
    result: Stored,
    *,
    margin: int = 0,
    change: Change | None = None,
) -> None:
    """`work` on a picture that is enlarged to the result's size, and changed.

    Args:
        work: looks `margin` pixels around, at planes in [0, 1].
        picture: no side is more than the result's.
        result: where it goes; an array or a tensor, as the picture is.
    """
    height, width = result.shape[-2:]
    enlarged = _Enlarged(picture, (height, width))

    def read(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Planes:
        planes = enlarged(rows, columns)
        if change:
            gain, shift = (_like(planes, values) for values in change)
            planes = (planes * gain + shift).clip(0, 1)
        return planes

    def write(top: int, planes: Planes) -> None:
        if largest := _largest(result):
            planes = (planes * largest).round()
        for channel in range(3):  # twice as fast as all at once
            result[..., channel, top : top + planes.shape[-2], :] = planes[..., channel, :, :]

    how = {"threads": WORKERS if isinstance(picture, np.ndarray) else 1, "pixels": _pixels(picture)}
    in_bands(work, read, write, size=(height, width), margin=margin, **how)


class _Enlarged:
    """A picture at a larger size, of which any rows and columns can be had without the rest.

    Bicubic: Keys, "Cubic convolution interpolation for digital image processing" (1981).
    """

    def __init__(self, picture: Stored, size: Size):
        self._picture = picture
        self._before: Size = picture.shape[-2:]
        self._size = size
        self._tiles: list[tuple[int, Planes]] = []

    def __call__(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Planes:
        """`columns` are the same each time."""
        top, down = _shares(rows, self._before[0], self._size[0])
        planes = _floats(self._picture[..., top : top + down.shape[1], :])
        if self._before[0] == self._size[0]:
            planes = planes[..., rows - top, :]
        else:
            planes = _like(planes, down) @ planes
        if self._before[1] == self._size[1]:
            return planes[..., columns]
        if not self._tiles:  # threads that come at once find the same
            parts = [columns[first : first + _TILE] for first in range(0, len(columns), _TILE)]
            found = [_shares(part, self._before[1], self._size[1]) for part in parts]
            self._tiles = [(left, _like(planes, across.T)) for left, across in found]
        result = _room(planes, (len(rows), len(columns)))
        for number, (left, across) in enumerate(self._tiles):
            part = planes[..., left : left + len(across)] @ across
            result[..., number * _TILE : number * _TILE + across.shape[1]] = part
        return result.clip(0, 1)


def _shares(at: NDArray[np.int64], before: int, after: int) -> tuple[int, NDArray[np.float64]]:
    """How much of which places of a side is in some places of the enlarged side.

    Returns:
        The first place, and for each of `at` a row with the share of it and of those after it.
    """
    places = (at + 0.5) * (before / after) - 0.5
    nearest = np.floor(places).astype(np.int64)
    past = places - nearest

    def near(by: Any) -> Any:
        return (1.5 * by - 2.5) * by * by + 1

    def far(by: Any) -> Any:
        return ((2.5 - 0.5 * by) * by - 4) * by + 2

    first, end = max(nearest.min() - 1, 0), min(nearest.max() + 3, before)
    shares = np.zeros((len(at), end - first))
    each = np.arange(len(at))
    for step, share in enumerate((far(past + 1), near(past), near(1 - past), far(2 - past)), -1):
        shares[each, (nearest + step).clip(0, before - 1) - first] += share
    return int(first), shares


def room(like: Stored, size: Size) -> Stored:
    """For a picture in between; in 16 bits where it is an array, which is half the memory."""
    return _room(like, size, np.uint16)


def _room(like: Stored, size: Size, dtype: type = np.float32) -> Stored:
    shape = (*like.shape[:-2], *size)
    return np.empty(shape, dtype) if isinstance(like, np.ndarray) else like.new_empty(shape)


def moments(picture: Stored) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel, `(…, 3, 1, 1)`."""
    height, width = picture.shape[-2:]
    rows = max(_pixels(picture) // width, 1)
    total = squares = np.zeros(())
    for top in range(0, height, rows):
        band = _floats(picture[..., top : top + rows, :])
        total = total + np.array(band.sum((-2, -1)).tolist())
        squares = squares + np.array((band * band).sum((-2, -1)).tolist())
    mean = total / (height * width)
    std = (squares / (height * width) - mean * mean).clip(0) ** 0.5
    return mean[..., None, None], std[..., None, None]


def _pixels(picture: Stored) -> int:
    return _BAND if isinstance(picture, np.ndarray) else _BAND_OF_TENSORS


def _floats(picture: Stored) -> Planes:
    largest = _largest(picture)
    if isinstance(picture, np.ndarray):
        planes = picture.astype(np.float32, order="C")
        return planes * np.float32(1 / largest) if largest else planes
    return picture.float() / (largest or 1)


def _largest(picture: Stored) -> int:
    """The value that stands for 1, where another does."""
    return _LARGEST_VALUE.get(str(picture.dtype).removeprefix("torch."), 0)


def _like(planes: Planes, values: NDArray[np.float64]) -> Planes:
    """The values as an array or a tensor, whichever the planes are."""
    if isinstance(planes, np.ndarray):
        return values.astype(np.float32)
    return planes.new_tensor(values)

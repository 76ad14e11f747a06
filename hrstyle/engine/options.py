"""`StylizeOptions`: how a picture is repainted. Every function that repaints takes this object.

The command line takes its help texts from the docstring of `StylizeOptions`. This module loads
NumPy and PyTorch only for an option that needs them.
"""

import inspect
import math
import re
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from hrstyle.errors import InputError
from hrstyle.images.limits import LONGEST
from hrstyle.painting.strokes import LARGEST_STROKES, SMALLEST_STROKES, strokes_for

if TYPE_CHECKING:
    from hrstyle.painting.blending import Mask, SoftMask

LONGEST_SIDE = LONGEST["JPEG"]
"""Largest `size` in pixels: the longest side that a JPEG can have."""
_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@dataclass(frozen=True, kw_only=True)
class StylizeOptions:
    """The settings of a repaint.

    Args:
        strength: how much of the style, from 0 (the photo itself) to 1 (the default).
        stroke_size: how large the strokes are: 1 is as trained, about ten pixels wide, and 2
            doubles them. The default grows with the result: 1 up to 0.6 megapixels, 4.5 at 12
            megapixels. Above 1, the picture is painted that many times smaller and then enlarged;
            below 1, it is painted larger, which takes more memory, and then reduced.
        brush: filter the network's output so that it looks like brush strokes; on by default. The
            filter smooths along each stroke and joins similar pixels into daubs of one colour.
        keep_colours: how much of the photo's colours to keep, from 0 (the default) to 1, where only
            the brightness is painted. At 0.5 objects keep their hues, but in the painting's
            palette.
        mask: a picture that is white where to paint, black where to leave the photo, and grey where
            to blend both. It is stretched over the upright photo, and its edges are softened. By
            default everything is painted.
        size: length of the result's longer side in pixels; the photo is reduced or enlarged to it.
            By default the photo keeps its size.
        max_memory: memory that the network's pass may take, as 2GB or in bytes; by default half of
            the free memory, but at least 1 GB. A picture that needs more is streamed in bands, with
            the same result. Not counted are three 8-bit copies of the picture, 18 bytes for each
            pixel that the brush filter works on before it enlarges, and, when streaming, about 150
            MB for each 10,000 pixels of width.

    `keep_colours` may also be False or True, for 0 or 1. The mask may be a path, a Pillow image, an
    array, or a tensor `(H, W)`.

    Raises:
        InputError: an impossible value, or a mask that cannot be read.
        TypeError: an unknown keyword.
    """

    strength: float = 1.0
    stroke_size: float | None = None
    brush: bool = True
    keep_colours: bool | float = False
    mask: "Mask | None" = field(default=None, hash=False)
    size: int | None = None
    max_memory: str | float | None = None

    def __post_init__(self) -> None:
        if not _is_within(self.strength, 0, 1):
            raise InputError(
                f"strength={self.strength!r} must be from 0 (the photo) to 1 (the style)"
            )
        if self.stroke_size is not None and not _is_within(
            self.stroke_size, SMALLEST_STROKES, LARGEST_STROKES
        ):
            raise InputError(
                f"stroke_size={self.stroke_size!r} must be from {SMALLEST_STROKES} to"
                f" {LARGEST_STROKES}; 2 doubles the strokes"
            )
        if not _is_bool(self.brush):
            raise InputError(f"brush={self.brush!r} must be true or false")
        check_colours(self.keep_colours)
        if self.size is not None and not (
            isinstance(self.size, Integral) and 1 <= self.size <= LONGEST_SIDE
        ):
            raise InputError(
                f"size={self.size!r} must be the longer side in whole pixels, from 1 to"
                f" {LONGEST_SIDE}"
            )
        if self.max_memory is not None:
            bytes_of(self.max_memory)
        _ = self.soft_mask

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StylizeOptions):
            return NotImplemented
        return self._compared() == other._compared()

    def _compared(self) -> list[Any]:
        """What is compared: of a mask its pixels, because `==` of arrays is no bool."""
        values = [getattr(self, name.name) for name in fields(self) if name.name != "mask"]
        mask = self.soft_mask and self.soft_mask.picture
        return [*values, mask and (mask.size, mask.tobytes())]

    @cached_property
    def soft_mask(self) -> "SoftMask | None":
        """The mask with soft edges, or None. A file is read only once."""
        if self.mask is None:
            return None
        from hrstyle.painting.blending import SoftMask

        return SoftMask(self.mask)

    @property
    def blends(self) -> bool:
        """Whether the result is blended with the photo."""
        return self.strength != 1 or bool(self.keep_colours) or self.mask is not None

    def result_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the result for a picture of height and width `size`."""
        if self.size is None or self.size == max(size):
            return size
        height, width = (max(1, round(side * self.size / max(size))) for side in size)
        return height, width

    def strokes(self, result: tuple[int, int]) -> float:
        """The `stroke_size` for a result of this height and width."""
        return strokes_for(math.prod(result)) if self.stroke_size is None else self.stroke_size


def changed(options: StylizeOptions | None, changes: dict[str, Any]) -> StylizeOptions:
    """`options`, or the defaults if None, with some values replaced by `changes`.

    Raises:
        InputError, TypeError: see `StylizeOptions`.
    """
    options = options or DEFAULTS
    return replace(options, **changes) if changes else options


def explanation(name: str) -> str:
    """The text of an option in the docstring of `StylizeOptions`, as one line."""
    text = inspect.cleandoc(StylizeOptions.__doc__ or "")
    found = re.search(rf"^    {name}: (.*?)(?=^    \w+: |^\S)", text, re.DOTALL | re.MULTILINE)
    # python -OO removes docstrings.
    return " ".join(found[1].split()).removesuffix(".") if found else ""


def check_colours(keep_colours: bool | float) -> None:
    """Raise InputError unless `keep_colours` is a bool or a number from 0 to 1."""
    if not (_is_bool(keep_colours) or _is_within(keep_colours, 0, 1)):
        raise InputError(
            f"keep_colours={keep_colours!r} (--colours) must be from 0 (the painting's) to 1 (the"
            " photo's)"
        )


def bytes_of(size: str | float) -> float:
    """`"2GB"`, `"500 MB"`, `"1.5G"` or a number of bytes -> bytes; decimal units.

    Raises:
        InputError: text of another form, or not positive.
    """
    text = str(size).strip().upper()
    match = re.fullmatch(r"([0-9.]+(?:E\+?[0-9]+)?)\s*([KMGT]?)B?", text)
    try:
        value = float(match[1]) * _UNITS[match[2]] if match else 0.0
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise InputError(f"{size!r} is no amount of memory; write for example 2GB or 500MB")
    return value


def _is_within(value: Any, low: float, high: float) -> bool:
    return isinstance(value, Real) and low <= float(value) <= high


def _is_bool(value: Any) -> bool:
    """Whether `value` is a bool, of Python or of NumPy."""
    return isinstance(value, bool) or (
        getattr(value, "dtype", None) == "bool" and getattr(value, "shape", None) == ()
    )


DEFAULTS = StylizeOptions()
"""How pictures are repainted if nothing is said."""

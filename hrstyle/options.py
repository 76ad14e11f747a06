"""How a picture is repainted: `StylizeOptions`, which whatever repaints takes and hands on whole.

The command line shows what its docstring says of each. Nothing here loads NumPy or PyTorch before
an option asks for it.
"""

import inspect
import math
import re
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from hrstyle.errors import InputError
from hrstyle.painting.strokes import LARGEST_STROKES, PAINTED, SMALLEST_STROKES, strokes_for

if TYPE_CHECKING:
    from hrstyle.images.reading import PILImage
    from hrstyle.painting.blending import Mask

LONGEST_SIDE = 65500
"""What `size` may be at most, in pixels; the longest that JPEG holds."""
_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@dataclass(frozen=True, kw_only=True)
class StylizeOptions:
    """How a picture is repainted.

    Args:
        strength: how much of the style, from 0, the photo itself, to 1, which is the default.
        stroke_size: how large the strokes are: 1 is as trained, some ten pixels wide, and 2 doubles
            them. By default as the result's size asks: 1 up to 0.6 megapixels, 4.5 for 12. Above 1
            the picture is painted that many times smaller, and enlarged; below 1 it is painted
            larger, which takes more memory, and reduced.
        brush: make strokes of paint of what the network gives, whose grain is drawn out along them
            and runs together into daubs (True); or leave it as it is (False). By default it is left
            as it is up to 0.6 megapixels of the result, and larger results, which are painted small
            and enlarged, are made paint.
        keep_colours: how much of the photo's colours, from 0 (False), the default, to 1 (True),
            where only the brightness is painted. With 0.5 things keep their hues, and the painting
            its palette.
        mask: a picture: paint where it is white, leave the photo where it is black, and blend in
            between. It is stretched over the upright photo, and its edges are softened. By default
            all is painted.
        size: length of the result's longer side in pixels, to which the photo is reduced or
            enlarged; by default the photo's own.
        max_memory: what the network's pass may take, as 2GB or in bytes; by default half of what is
            free, but at least 1 GB. A picture that would take more is streamed in bands, with the
            same result. What is taken in any case: the 8-bit picture and two more, 18 bytes for
            each pixel that is made paint of before it is enlarged, and, where it is streamed, some
            150 MB for each 10,000 pixels of its width.

    A mask may be a path, an open file's picture as a Pillow image, an array, or a tensor `(H, W)`.

    Raises:
        InputError: an impossible value, or a mask that cannot be read. An unknown keyword is a
            TypeError, as for any constructor: that is a slip in a program, not in its input.
    """

    strength: float = 1.0
    stroke_size: float | None = None
    brush: bool | None = None
    keep_colours: bool | float = False
    mask: "Mask | None" = None
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
        if self.brush is not None and not _is_truth(self.brush):
            raise InputError(
                f"brush={self.brush!r} must be true or false, or none for larger results alone"
            )
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
        _ = self.mask_picture

    @cached_property
    def mask_picture(self) -> "PILImage | None":
        """The mask, upright, of mode L; a file is read once."""
        if self.mask is None:
            return None
        from hrstyle.painting.blending import mask_image

        return mask_image(self.mask)

    @property
    def blends(self) -> bool:
        """Whether the result holds something of the photo."""
        return self.strength != 1 or bool(self.keep_colours) or self.mask is not None

    def result_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the result, for a picture of this height and width."""
        if self.size is None or self.size == max(size):
            return size
        height, width = (max(1, round(side * self.size / max(size))) for side in size)
        return height, width

    def strokes(self, result: tuple[int, int]) -> float:
        """Times as large as trained, for a result of this height and width."""
        return strokes_for(math.prod(result)) if self.stroke_size is None else self.stroke_size

    def brushes(self, result: tuple[int, int]) -> bool:
        """Whether a result of this height and width is made paint."""
        return math.prod(result) > PAINTED if self.brush is None else bool(self.brush)


def changed(options: StylizeOptions | None, changes: dict[str, Any]) -> StylizeOptions:
    """Options with some of them changed; without any, the defaults.

    Raises:
        InputError, TypeError: see `StylizeOptions`.
    """
    options = options or StylizeOptions()
    return replace(options, **changes) if changes else options


def explanation(name: str) -> str:
    """What the docstring of `StylizeOptions` says of an option, on one line."""
    text = inspect.cleandoc(StylizeOptions.__doc__ or "")
    found = re.search(rf"^    {name}: (.*?)(?=^    \w+: |^\S)", text, re.DOTALL | re.MULTILINE)
    return (
        " ".join(found[1].split()).removesuffix(".") if found else ""
    )  # Python's -OO takes docstrings out


def check_colours(keep_colours: bool | float) -> None:
    """Raise InputError unless it is a share."""
    if not (_is_truth(keep_colours) or _is_within(keep_colours, 0, 1)):
        raise InputError(
            f"keep_colours={keep_colours!r} (--colours) must be from 0 (the painting's) to 1 (the"
            " photo's)"
        )


def bytes_of(size: str | float) -> float:
    """`"2GB"`, `"500 MB"`, `"1.5G"` or a number of bytes -> bytes; decimal units.

    Raises:
        InputError: none of these, or not positive.
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


def _is_truth(value: Any) -> bool:
    """Whether it is true or false, NumPy's too."""
    return isinstance(value, bool) or (
        getattr(value, "dtype", None) == "bool" and getattr(value, "shape", None) == ()
    )

"""How large strokes are: in pixels they are as trained, so a large photo asks for larger ones.

What a style has learnt is some ten pixels wide. On a phone's photo of 4000 pixels, seen as a whole,
that is a grain, not a painting.
"""

import math

SMALLEST_STROKES, LARGEST_STROKES = 0.25, 16
"""Times as large as trained."""
PAINTED = 600_000
"""Pixels of a picture on which the strokes that were trained look their best."""

LARGEST = PAINTED * LARGEST_STROKES**2
"""Pixels of the largest picture of which no more than `PAINTED` are painted, unless asked for."""


def strokes_for(pixels: float) -> float:
    """The `stroke_size` that makes a picture of so many pixels look as one of `PAINTED` does.

    1 up to 0.6 megapixels, 1.8 for 2, 4.5 for 12.
    """
    return min(max(1.0, math.sqrt(pixels / PAINTED)), LARGEST_STROKES)


def size_to_paint(size: tuple[int, int], stroke_size: float) -> tuple[int, int]:
    """Height and width of what the network is given, so that strokes are so many times as large."""
    height, width = size
    return max(1, round(height / stroke_size)), max(1, round(width / stroke_size))

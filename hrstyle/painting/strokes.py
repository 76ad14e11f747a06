"""The size of strokes: a network paints them as wide as in training, about ten pixels.

On a photo 4000 pixels wide, such strokes look like grain when the picture is seen as a whole. So a
large photo is painted at a smaller size and then enlarged, which enlarges its strokes.
"""

import math

SMALLEST_STROKES, LARGEST_STROKES = 0.25, 16
"""Bounds of `stroke_size`, which is relative to the size in training."""
PAINTED = 600_000
"""Pixels of a picture, 0.6 megapixels, up to which it is painted at its own size by default."""

LARGEST_PIXELS = PAINTED * LARGEST_STROKES**2
"""Pixels of the largest picture that is, by default, painted at no more than `PAINTED` pixels."""


def strokes_for(pixels: float) -> float:
    """The default `stroke_size` of a picture: strokes have the size they have at `PAINTED` pixels.

    1 up to 0.6 megapixels, 1.8 at 2 megapixels, 4.5 at 12 megapixels.
    """
    return min(max(1.0, math.sqrt(pixels / PAINTED)), LARGEST_STROKES)


def size_to_paint(size: tuple[int, int], stroke_size: float) -> tuple[int, int]:
    """Height and width at which to paint a result of `size` with strokes of `stroke_size`."""
    height, width = size
    return max(1, round(height / stroke_size)), max(1, round(width / stroke_size))

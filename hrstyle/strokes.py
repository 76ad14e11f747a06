"""How large strokes are: in pixels they are as trained, so a large photo asks for larger ones.

What a style has learnt is some ten pixels wide. On a phone's photo of 4000 pixels, seen as a whole,
that is a grain, not a painting.
"""

import math

SMALLEST_STROKES, LARGEST_STROKES = 0.25, 16
"""Times as large as trained."""
PAINTED = 1_500_000
"""Pixels of a picture on which the strokes that were trained look their best."""
_WORTHWHILE = 1.25


def strokes_for(pixels: float) -> float:
    """The `stroke_size` that makes a picture of so many pixels look as one of `PAINTED` does.

    1 up to 2.3 megapixels, where a second pass would change little; 2.8 for 12.
    """
    times = math.sqrt(pixels / PAINTED)
    return min(times, LARGEST_STROKES) if times > _WORTHWHILE else 1.0


LARGEST_IN_ONE_PASS = int(PAINTED * _WORTHWHILE**2)
"""Pixels of the largest picture whose strokes are as trained."""

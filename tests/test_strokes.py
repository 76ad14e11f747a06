import math

import pytest

from hrstyle.strokes import LARGEST_IN_ONE_PASS, LARGEST_STROKES, strokes_for


def test_small_pictures_have_the_strokes_that_were_trained():
    for pixels in (1, 512 * 512, 1024 * 1024, LARGEST_IN_ONE_PASS):
        assert strokes_for(pixels) == 1


def test_strokes_grow_with_the_sides_of_a_picture():
    assert strokes_for(LARGEST_IN_ONE_PASS + 1) > 1.2
    assert strokes_for(4000 * 3000) == pytest.approx(math.sqrt(8))
    assert strokes_for(4 * 4000 * 3000) == pytest.approx(2 * strokes_for(4000 * 3000))


def test_there_are_no_strokes_that_would_be_refused():
    assert strokes_for(10**10) == LARGEST_STROKES

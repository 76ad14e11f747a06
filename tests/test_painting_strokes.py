import math

import pytest

from hrstyle.painting import LARGEST_STROKES, PAINTED, size_to_paint, strokes_for


def test_small_pictures_have_the_strokes_that_were_trained():
    for pixels in (1, 512 * 512, PAINTED):
        assert strokes_for(pixels) == 1


def test_strokes_grow_with_the_sides_of_a_picture():
    assert 1 < strokes_for(PAINTED + 1) < 1.001
    assert strokes_for(4000 * 3000) == pytest.approx(math.sqrt(20))
    assert strokes_for(4 * 4000 * 3000) == pytest.approx(2 * strokes_for(4000 * 3000))


def test_there_are_no_strokes_that_would_be_refused():
    assert strokes_for(10**10) == LARGEST_STROKES


def test_a_picture_painted_small_has_so_many_pixels():
    height, width = size_to_paint((3000, 4000), strokes_for(3000 * 4000))
    assert height * width == pytest.approx(PAINTED, rel=0.01)
    assert width / height == pytest.approx(4 / 3, rel=0.01)
    assert size_to_paint((300, 200), 0.5) == (600, 400)
    assert size_to_paint((3, 2000), 16) == (1, 125)

import math

import numpy as np
import pytest
import torch

from hrstyle.losses import IMAGE, ColourLayout, colour_layout_loss


@pytest.fixture
def both():
    torch.manual_seed(0)
    return torch.rand(2, 3, 3, 12, 20)


def triangles(side, block):
    """Weights of the pixels along a side, for each place: falling to 0 at the next place."""
    count = round(side / block)
    step = side / count
    pixels = np.arange(side) + 0.5
    weights = [np.maximum(0, 1 - abs(pixels - (i + 0.5) * step) / step) for i in range(count)]
    return [weight / weight.sum() for weight in weights]


def by_loops(result, photo, block):
    """Distances between the mean colours of places, with .7 of their brightness taken off."""

    def table(picture):
        picture = picture.double().numpy()
        height, width = picture.shape[1:]
        colours = [
            (picture * down[:, None] * across).sum((1, 2))
            for down in triangles(height, block)
            for across in triangles(width, block)
        ]
        colours = [c - 0.7 * c.mean() for c in colours]
        d = np.array([[math.dist(one, other) for other in colours] for one in colours])
        return d / d.mean()

    return np.mean([np.abs(table(x) - table(y)) for x, y in zip(result, photo, strict=True)])


@pytest.mark.slow
@pytest.mark.parametrize("block", [1, 4, 5])
def test_it_is_what_plain_loops_give(both, block):
    expected = by_loops(*both, block)
    found = colour_layout_loss(*both, block=block).item()
    assert found == pytest.approx(expected, abs=3e-3)  # a place's distance to itself is .001


def test_equal_pictures_cost_nothing(both):
    assert colour_layout_loss(both[0], both[0]).item() == 0


def test_the_palette_is_free(both):
    """A turn of all hues, a picture of less contrast, another mean: places differ as before."""
    result, photo = both
    # Rotation by a right angle about the grey axis (1, 1, 1) / √3, by Rodrigues' formula.
    s = 1 / math.sqrt(3)
    cross = torch.tensor([[0, -s, s], [s, 0, -s], [-s, s, 0]])
    turn = torch.eye(3) + cross + cross @ cross
    assert torch.allclose(turn @ turn.T, torch.eye(3), atol=1e-6)
    turned = torch.einsum("ij,njhw->nihw", turn, result)
    mean = result.mean((2, 3), keepdim=True)
    expected = colour_layout_loss(result, photo, block=2).item()
    for same in (turned, mean + 0.5 * (result - mean), result + 0.2):
        found = colour_layout_loss(same, photo, block=2).item()
        assert found == pytest.approx(expected, rel=0.01)


def test_a_stamp_in_a_plain_place_costs():
    photo = torch.full((1, 3, 64, 64), 0.5)
    photo[:, 0, :, 32:] = 1.0
    stamped = photo.clone()
    stamped[:, :, 16:32, 0:16] = torch.tensor([0.0, 0.9, 0.0]).view(3, 1, 1)
    swapped = photo.flip(1)  # the red half blue
    assert colour_layout_loss(swapped, photo).item() == pytest.approx(0, abs=1e-3)
    assert colour_layout_loss(stamped, photo).item() > 0.1


def test_a_picture_smaller_than_a_square_is_finite():
    one, other = torch.rand(2, 1, 3, 9, 40)
    assert colour_layout_loss(one, other).isfinite()
    assert colour_layout_loss(one[..., :9], other[..., :9]).isfinite()


def test_a_batch_does_not_mix_pictures(both):
    pairs = zip(*both, strict=True)
    alone = [colour_layout_loss(x[None], y[None], block=4).item() for x, y in pairs]
    assert colour_layout_loss(*both, block=4).item() == pytest.approx(np.mean(alone), rel=1e-5)


def test_the_gradient_is_that_of_differences(both, check_gradient):
    check_gradient(lambda x: colour_layout_loss(x, both[1, :1], block=4), both[0, :1])


def test_bfloat16_pictures_give_float32(both):
    exact = colour_layout_loss(*both, block=4)
    with torch.autocast("cpu", torch.bfloat16):
        found = colour_layout_loss(both[0].bfloat16(), both[1], block=4)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(exact.item(), rel=0.02)


def test_of_many_places_a_seed_draws_some_and_up_to_512_pixels_all_are_compared():
    """All pairs of the 4096 of a picture of 1024 px would take 200 MB a copy."""

    def loss(seed, result, photo):
        torch.manual_seed(seed)
        return colour_layout_loss(result, photo).item()

    large = torch.rand(2, 1, 3, 528, 528)
    assert loss(1, *large) == loss(1, *large) != loss(2, *large)
    whole = large[..., :512, :512]
    assert loss(1, *whole) == loss(2, *whole)


def test_the_term_looks_at_the_picture(both):
    term = ColourLayout(block=4)
    found = term({IMAGE: both[0]}, {IMAGE: both[1]})
    assert found == colour_layout_loss(*both, block=4)

import numpy as np
import pytest
import torch

from hrstyle import nearest
from hrstyle.nearest import nearest_loss, places_of


@pytest.fixture
def pair():
    torch.manual_seed(0)
    return torch.randn(2, 6, 5, 4), torch.randn(1, 6, 3, 7)


def by_definition(ours, theirs):
    """Of one picture, with all its places, by loops."""
    mean = theirs.mean(0)

    def distance(a, b):
        a, b = a - mean, b - mean
        return 1 - a @ b / np.sqrt((a @ a) * (b @ b))

    there = sorted(min(distance(a, b) for b in theirs) for a in ours)
    back = [min(distance(a, b) for a in ours) for b in theirs]
    return (np.mean(there[len(there) // 2 :]) + np.mean(back)) / 2


def test_it_is_its_definition(pair):
    result, painting = pair
    places = places_of(painting)
    assert torch.equal(places[7 + 3], painting[0, :, 1, 3])
    expected = np.mean(
        [
            by_definition(places_of(x[None]).double().numpy(), places.double().numpy())
            for x in result
        ]
    )
    assert nearest_loss(result, places).item() == pytest.approx(expected, abs=1e-6)


def test_a_painting_is_near_itself_however_its_places_lie(pair):
    _, painting = pair
    turned = painting.flip(-1).mT
    assert nearest_loss(turned, places_of(painting)).item() == pytest.approx(0, abs=1e-6)


def test_places_unlike_any_count_even_if_the_others_hold_all_of_the_painting(pair):
    _, painting = pair
    places = places_of(painting)
    bare = torch.cat([painting, -painting.mean((2, 3), keepdim=True).expand_as(painting)], -1)
    assert nearest_loss(bare, places) > 0.2


def test_its_gradient_leads_to_the_painting(pair):
    result, painting = pair
    places = places_of(painting)
    x = result.clone().requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        loss = nearest_loss(x, places)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05 < 0.2 < nearest_loss(result, places).item()


def test_of_large_pictures_some_places_are_drawn_by_the_seed(pair, monkeypatch):
    monkeypatch.setattr(nearest, "_MOST", 10)
    result, places = pair[0], places_of(pair[1])
    torch.manual_seed(1)
    first, second = nearest_loss(result, places), nearest_loss(result, places)
    torch.manual_seed(1)
    assert nearest_loss(result, places) == first != second


def test_places_without_a_direction_have_a_gradient_all_the_same(pair):
    places = places_of(pair[1])
    at_the_mean = places.mean(0).view(1, 6, 1, 1).repeat(1, 1, 2, 2).requires_grad_()
    nearest_loss(at_the_mean, places).backward()
    assert at_the_mean.grad.abs().max() < 1e4
    plain = torch.full((1, 6, 8, 8), 0.1)  # whose mean is rounded
    result = pair[0].requires_grad_()
    loss = nearest_loss(result, places_of(plain))
    assert loss.item() == pytest.approx(1, abs=1e-3)  # of nothing, nothing is nearer


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_it_is_float32_whatever_the_precision(pair, dtype):
    result, places = pair[0].to(dtype), places_of(pair[1])
    with torch.autocast("cpu", torch.bfloat16):
        low = nearest_loss(result, places)
    assert low.dtype == torch.float32
    assert low == nearest_loss(result.float(), places)

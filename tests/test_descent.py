import pytest
import torch

from hrstyle.descent import METHODS, minimise
from hrstyle.errors import InputError, NonFiniteError


@pytest.fixture
def target():
    return torch.rand(1, 3, 8, 9, generator=torch.Generator().manual_seed(0))


def bowl(target):
    """A quadratic whose slopes differ a hundredfold between pixels; its minimum is `target`."""
    slopes = torch.linspace(0.01, 1, target.numel()).reshape(target.shape)

    def objective(picture):
        loss = (slopes * (picture - target).square()).sum()
        return {"loss": loss, "other": 2 * loss}

    return objective


@pytest.mark.parametrize("method", METHODS)
def test_finds_the_minimum(target, method):
    start = torch.full_like(target, 0.5)
    found = minimise(start, bowl(target), steps=150, method=method)
    assert (found - target).abs().max() < 0.01
    assert torch.equal(start, torch.full_like(target, 0.5))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_step_is_an_evaluation_and_the_best_is_kept(target, method, steps):
    objective, seen, reports = bowl(target), [], []

    def counted(picture):
        seen.append(objective(picture)["loss"].item())
        return objective(picture)

    def report(step, terms, best):
        reports.append((step, terms, best))

    start = torch.full_like(target, 0.5)
    found = minimise(start, counted, steps=steps, method=method, report=report)
    assert len(seen) == steps
    assert [step for step, *_ in reports] == list(range(1, steps + 1))
    for index, (_, terms, best) in enumerate(reports):
        assert terms["loss"] == min(seen[: index + 1]) == pytest.approx(terms["other"] / 2)
        assert objective(best)["loss"].item() == pytest.approx(terms["loss"])
    assert torch.equal(found, best.clamp(0, 1))


def test_goes_on_where_there_is_nothing_left_to_gain(target):
    steps = []
    flat = lambda picture: {"loss": (picture * 0).sum()}  # noqa: E731
    found = minimise(target, flat, steps=5, report=lambda step, *rest: steps.append(step))
    assert steps == [1, 2, 3, 4, 5]
    assert torch.equal(found, target)


def test_the_result_is_in_the_range_of_pictures(target):
    for method in METHODS:
        found = minimise(target, bowl(2 * target - 0.5), steps=60, method=method)
        assert found.min() == 0
        assert found.max() == 1


def test_a_loss_that_becomes_nan_does_not_spoil_the_best(target):
    calls = []

    def objective(picture):
        calls.append(picture)
        terms = bowl(target)(picture)
        return {"loss": terms["loss"] * (float("nan") if len(calls) > 3 else 1)}

    found = minimise(torch.full_like(target, 0.5), objective, steps=6, method="adam")
    assert len(calls) == 6
    assert torch.isfinite(found).all()
    with pytest.raises(NonFiniteError, match="not finite"):
        minimise(target, objective, steps=2)


def test_unknown_method(target):
    with pytest.raises(InputError, match="lbfgs, adam"):
        minimise(target, bowl(target), steps=1, method="newton")

import pytest
import torch

from hrstyle.errors import InputError, NonFiniteError
from hrstyle.optimization.gradient_descent import METHODS, minimise


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


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["loss", "gradient"])
def test_what_is_not_finite_does_not_spoil_the_best(target, method, bad, part):
    calls = []

    def objective(picture):
        calls.append(picture)
        spoilt = len(calls) % 4 == 0
        loss = bowl(target)(picture)["loss"]
        if spoilt and part == "gradient":  # of a root at 0, whose value is finite
            loss = loss + (picture - picture.detach()).abs().sqrt().sum()
        return {"loss": loss * bad if spoilt and part == "loss" else loss}

    start = torch.full_like(target, 0.5)
    found = minimise(start, objective, steps=41, method=method)
    assert len(calls) == 41
    assert bowl(target)(found)["loss"] < 0.5 * bowl(target)(start)["loss"]


def test_a_start_that_is_not_finite(target):
    with pytest.raises(NonFiniteError, match="not finite"):
        minimise(target, lambda picture: {"loss": picture.sum() * float("nan")}, steps=9)


def test_an_unknown_method_is_an_input_error(target):
    with pytest.raises(InputError, match="lbfgs, adam"):
        minimise(target, bowl(target), steps=1, method="newton")

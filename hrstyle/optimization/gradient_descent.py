"""Gradient descent on the pixels of a picture."""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import torch
from torch import Tensor

from hrstyle.errors import InputError, NonFiniteError

Objective = Callable[[Tensor], dict[str, Tensor]]
Report = Callable[[int, dict[str, float], Tensor], None]

LEARNING_RATE = 0.03
"""Adam's; pixels are from 0 to 1."""
HISTORY = 20
"""Steps that L-BFGS remembers, each of them two pictures in memory."""


class _StopOptimisation(Exception):  # noqa: N818 - it is no error
    """Raised by an evaluation to leave an optimiser, which has no end of its own."""


def _lbfgs(picture: Tensor, evaluate: Callable[[], Tensor]) -> NoReturn:
    while True:  # it only ends where a direction does not lead down; then anew, without its history
        torch.optim.LBFGS(
            [picture],
            max_iter=10**9,
            max_eval=10**9,
            # torch's limits are for sums over a batch; a pixel's share of a relative error is less.
            tolerance_grad=0,
            tolerance_change=0,
            history_size=HISTORY,
            line_search_fn="strong_wolfe",
        ).step(evaluate)


def _adam(picture: Tensor, evaluate: Callable[[], Tensor]) -> NoReturn:
    optimizer = torch.optim.Adam([picture], lr=LEARNING_RATE)
    while True:
        optimizer.step(evaluate)
        picture.data.clamp_(0, 1)


METHODS: dict[str, Callable[[Tensor, Callable[[], Tensor]], NoReturn]] = {
    "lbfgs": _lbfgs,
    "adam": _adam,
}


def minimise(
    picture: Tensor,
    objective: Objective,
    *,
    steps: int,
    method: str = "lbfgs",
    report: Report | None = None,
) -> Tensor:
    """Change the pixels of a picture until an objective is low.

    Args:
        picture: `(1, 3, H, W)` to start from, RGB in [0, 1]; it is not changed.
        objective: gives the terms of a picture; `loss` is minimised. L-BFGS does not keep to the
            range of pictures, so values may be somewhat outside.
        steps: how often to evaluate it, whatever the method does with that.
        method: `"lbfgs"` or `"adam"`, which clamps to [0, 1] after each step.
        report: called after each evaluation with the number of evaluations, and the terms and the
            picture of the lowest loss so far.

    Returns:
        The picture of the lowest loss, clamped to [0, 1].

    Raises:
        InputError: an unknown method.
        NonFiniteError: the loss of the start is not a finite number. Where it ceases to be one
            later on, the method begins anew from the best.
    """
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    best, lowest = picture.detach().clone(), dict[str, float]()
    picture = best.clone().requires_grad_()
    done = 0

    def evaluate() -> Tensor:
        nonlocal best, lowest, done
        if done == steps:
            raise _StopOptimisation
        picture.grad = None
        terms = objective(picture)
        terms["loss"].backward()
        done += 1
        value = terms["loss"].item()
        finite = math.isfinite(value) and picture.grad is not None and picture.grad.isfinite().all()
        if finite and value < lowest.get("loss", math.inf):
            lowest = {name: term.item() for name, term in terms.items()}
            best = picture.detach().clone()
        if not lowest:
            raise NonFiniteError("the loss is not finite; a weight is most likely too high")
        if report:
            report(done, lowest, best)
        if not finite:
            picture.data.copy_(best)
            raise _StopOptimisation
        return terms["loss"]

    while done < steps:
        with suppress(_StopOptimisation):
            METHODS[method](picture, evaluate)
    return best.clamp(0, 1)

"""The optimisation loop: gradient descent on the pixels of a picture, by L-BFGS or Adam."""

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
"""Adam's learning rate, for pixels in [0, 1]."""
HISTORY = 20
"""Steps in the history of L-BFGS, each of which takes the memory of two pictures."""


class _StopOptimisation(Exception):  # noqa: N818 - it is no error
    """Raised by an evaluation to end an optimiser's endless loop."""


def _lbfgs(picture: Tensor, evaluate: Callable[[], Tensor]) -> NoReturn:
    # step() returns if a direction is no descent direction; then restart without history.
    while True:
        torch.optim.LBFGS(
            [picture],
            max_iter=10**9,
            max_eval=10**9,
            # Off: a single pixel's gradient is far below torch's default limits.
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
    """Minimise an objective over the pixels of a picture.

    Args:
        picture: the initial picture `(1, 3, H, W)`, RGB in [0, 1]; it is not changed.
        objective: maps a picture to its terms, of which `loss` is minimised. With L-BFGS, pixels
            may lie somewhat outside [0, 1].
        steps: number of evaluations of the objective.
        method: `"lbfgs"`, or `"adam"`, which clamps to [0, 1] after each step.
        report: called after each evaluation with the number of evaluations so far, and the terms
            and the picture with the lowest loss so far.

    Returns:
        The picture with the lowest loss, clamped to [0, 1].

    Raises:
        InputError: an unknown method.
        NonFiniteError: the loss of the initial picture is not finite. If a later loss is not, the
            method restarts from the best picture.
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

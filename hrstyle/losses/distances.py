"""Distances that several terms use: relative errors, and angles between feature vectors."""

import torch
from torch import Tensor

from hrstyle.errors import InputError

_TINY = 1e-12  # keeps a division by an all-black target finite
_SHORTEST = 1e-3  # lower bound of the length that vectors are divided by, times the RMS length


def relative_error(value: Tensor, target: Tensor) -> Tensor:
    """‖value − target‖² / ‖target‖² per picture, averaged over the batch.

    0 is a perfect match, and an all-zero value gives 1 for any target.

    Args:
        value: `(N, …)`.
        target: `(N, …)`, or `(1, …)` for the whole batch.
    """
    value, target = value.float().flatten(1), target.float().flatten(1)
    squares = (value - target).square().sum(1)
    return (squares / target.square().sum(1).clamp_min(_TINY)).mean()


def mean_square(value: Tensor, target: Tensor) -> Tensor:
    """Mean of (value − target)² over everything; `target` may have batch size 1."""
    return (value.float() - target.float()).square().mean()


NORMALISATIONS = {"relative": relative_error, "paper": mean_square}
"""Ways to compare a result's features or Gram matrix with their target, by name."""


def check_normalisation(name: str) -> None:
    """Raise InputError unless `name` is one of `NORMALISATIONS`."""
    if name not in NORMALISATIONS:
        raise InputError(f"normalisation must be {' or '.join(NORMALISATIONS)}, not {name!r}")


def unit_vectors(vectors: Tensor) -> Tensor:
    """Vectors `(N, P, C)`, each divided by its length.

    Very short vectors are divided by a lower bound instead, and stay short: their direction means
    nothing, and their gradient would be huge.
    """
    length: Tensor = torch.linalg.vector_norm(vectors, dim=2, keepdim=True)
    least = _SHORTEST * length.detach().square().mean((1, 2), keepdim=True).sqrt()
    return vectors / length.clamp_min(least.clamp_min(1e-6))


def cosine_distances(x: Tensor, y: Tensor) -> Tensor:
    """1 − cosine of the angle, for all pairs: `(N, P, C)` and `(N, Q, C)` -> `(N, P, Q)`."""
    return 1 - unit_vectors(x) @ unit_vectors(y).mT

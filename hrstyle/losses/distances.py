"""Distances that several terms use: relative errors, and angles between feature vectors."""

import torch
from torch import Tensor

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


def sample_indices(count: int, most: int, device: torch.device) -> Tensor:
    """`most` random numbers below `count`, without repetition, as a tensor on `device`.

    They are drawn on the CPU by torch's global generator, so a seed gives the same numbers for
    every device. The copy to a GPU is asynchronous.
    """
    return torch.randperm(count)[:most].to(device, non_blocking=device.type == "cuda")


def feature_vectors(features: Tensor, most: int | None = None) -> Tensor:
    """Features `(N, C, H, W)` as one vector per position: `(N, P, C)`, float32.

    If there are more than `most` positions, `most` are drawn, the same for each picture of the
    batch; see `sample_indices`.
    """
    flat = features.flatten(2).mT
    count = flat.shape[1]
    if most is not None and count > most:
        flat = flat[:, sample_indices(count, most, flat.device)]
    return flat.float()


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

"""Distances that the terms share: relative errors, and angles between feature vectors."""

import torch
from torch import Tensor

_TINY = 1e-12  # keeps a division by an all-black target finite
_SHORTEST = 1e-3  # of the root mean square length, below which a vector counts as that long


def relative_error(value: Tensor, target: Tensor) -> Tensor:
    """‖value − target‖² / ‖target‖² of each picture, averaged over the batch.

    0 is a perfect match and 1 the distance of an all-zero value, whatever the scale.

    Args:
        value: `(N, …)`.
        target: `(N, …)`, or `(1, …)` for all pictures.
    """
    value, target = value.float().flatten(1), target.float().flatten(1)
    squares = (value - target).square().sum(1)
    return (squares / target.square().sum(1).clamp_min(_TINY)).mean()


def mean_square(value: Tensor, target: Tensor) -> Tensor:
    """Mean of (value − target)² over everything; `target` may have batch size 1."""
    return (value.float() - target.float()).square().mean()


def sample_indices(count: int, most: int, device: torch.device) -> Tensor:
    """`most` of the numbers below `count`, each at most once and in random order, on `device`.

    They are drawn on the CPU by torch's generator, so that a seed means the same on every device. A
    GPU gets them without being waited for.
    """
    return torch.randperm(count)[:most].to(device, non_blocking=device.type == "cuda")


def feature_vectors(features: Tensor, most: int | None = None) -> Tensor:
    """Features `(N, C, H, W)` as a list of places `(N, P, C)`, float32.

    With more than `most`, that many are drawn, the same ones of each picture; see `draw`.
    """
    flat = features.flatten(2).mT
    count = flat.shape[1]
    if most is not None and count > most:
        flat = flat[:, sample_indices(count, most, flat.device)]
    return flat.float()


def unit_vectors(vectors: Tensor) -> Tensor:
    """Vectors `(N, P, C)`, each divided by its length.

    Very short ones have no direction that means anything, and stay short: their gradient would be
    out of all proportion.
    """
    length: Tensor = torch.linalg.vector_norm(vectors, dim=2, keepdim=True)
    least = _SHORTEST * length.detach().square().mean((1, 2), keepdim=True).sqrt()
    return vectors / length.clamp_min(least.clamp_min(1e-6))


def cosine_distances(x: Tensor, y: Tensor) -> Tensor:
    """1 − cos of the angle between all pairs: `(N, P, C)` and `(N, Q, C)` -> `(N, P, Q)`."""
    return 1 - unit_vectors(x) @ unit_vectors(y).mT

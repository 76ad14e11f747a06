"""Random samples of a picture's positions, the same for every device."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator, from which samples and noise are drawn; restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed GPUs, too
        yield


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

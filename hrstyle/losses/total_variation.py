"""Total variation: neighbouring pixels of the result should not differ much."""

import torch
from torch import Tensor

from hrstyle.losses.term import IMAGE, Features, ResultTerm


def total_variation(image: Tensor) -> Tensor:
    """Mean absolute difference of vertical plus that of horizontal neighbours (Rudin et al. 1992).

    `image` is `(N, C, H, W)`. A side of one pixel has no neighbours and adds 0.
    """
    image = image.float()
    differences = (image.diff(dim=-2), image.diff(dim=-1))
    return torch.stack([d.abs().mean() if d.numel() else d.sum() for d in differences]).sum()


class TotalVariation(ResultTerm):
    """`total_variation` of the result.

    With a weight of 1, neighbours that all differ by .1, in both directions, cost .2.
    """

    name = "total_variation"

    def __init__(self, weight: float = 1.0, *, scale: int = 1):
        super().__init__(weight, (IMAGE,), scale=scale)

    def forward(self, result: Features) -> Tensor:
        return total_variation(result[IMAGE])

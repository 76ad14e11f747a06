"""How rough a picture is, from pixel to pixel."""

import torch
from torch import Tensor

from hrstyle.losses.term import IMAGE, Features, Term


def total_variation(image: Tensor) -> Tensor:
    """Mean absolute difference between neighbouring pixels, down plus across (Rudin et al. 1992).

    `image` is `(N, C, H, W)`; a side of one pixel has no neighbours and counts as smooth.
    """
    image = image.float()
    differences = (image.diff(dim=-2), image.diff(dim=-1))
    return torch.stack([d.abs().mean() if d.numel() else d.sum() for d in differences]).sum()


class TotalVariation(Term):
    """`total_variation` of the result. A weight of 1: a difference of .1 from pixel to pixel, down
    and across, costs .2.
    """

    name = "total_variation"

    def __init__(self, weight: float = 1.0, *, scale: int = 1):
        super().__init__(weight, (IMAGE,), scale=scale)

    def forward(self, result: Features) -> Tensor:
        return total_variation(result[IMAGE])

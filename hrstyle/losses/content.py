"""Content: the result should have the photo's VGG19 features."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hrstyle.losses.distances import NORMALISATIONS, check_normalisation
from hrstyle.losses.term import Features, PhotoTerm


def content_loss(features: Tensor, target: Tensor, *, normalisation: str = "relative") -> Tensor:
    """Distance between the features of the result and those of the photo, `(N, C, H, W)` each.

    `"relative"`: `relative_error`. `"paper"`: the mean square of arXiv 1904.11617.
    """
    check_normalisation(normalisation)
    return NORMALISATIONS[normalisation](features, target)


class Content(PhotoTerm):
    """`content_loss`, averaged over layers (Gatys et al., CVPR 2016).

    With a weight of 1 and relative normalisation, features that differ by their own norm cost 1.
    """

    name = "content"

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[str] = ("relu4_2",),
        *,
        normalisation: str = "relative",
        scale: int = 1,
    ):
        super().__init__(weight, layers, scale=scale)
        check_normalisation(normalisation)
        self.normalisation = normalisation

    def forward(self, result: Features, photo: Features) -> Tensor:
        how = {"normalisation": self.normalisation}
        return torch.stack([content_loss(result[x], photo[x], **how) for x in self.layers]).mean()

"""Self-similarity: positions that are alike in the photo should be alike in the result.

This keeps the photo's shapes, whatever their colours. After Kolkin, Salavon & Shakhnarovich, "Style
Transfer by Relaxed Optimal Transport and Self-Similarity" (CVPR 2019), eq. 7.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hrstyle.losses.distances import cosine_distances
from hrstyle.losses.sampling import feature_vectors
from hrstyle.losses.term import Features, PhotoTerm

SAMPLES = 512
"""Largest number of positions compared with one another; drawn anew in each call."""


def self_similarity_loss(features: Tensor, photo: Tensor) -> Tensor:
    """Mean absolute difference between two matrices of feature distances; a float32 scalar.

    The matrix of a picture holds the cosine distances between all pairs of at most `SAMPLES`
    positions, which are the same in both pictures. Each column is divided by its sum, and the mean
    is multiplied by the number of positions. So a value of .1 means: distances differ by a tenth of
    their mean.

    Args:
        features: `(N, C, H, W)`, of the result.
        photo: `(N, C, H, W)`, of the photo.
    """
    with torch.autocast(features.device.type, enabled=False):
        both = feature_vectors(torch.cat([features, photo.to(features.dtype)]), SAMPLES)
        distances = cosine_distances(both, both)
        distances = distances / (distances.sum(1, keepdim=True) + 1e-8)
        ours, theirs = distances.chunk(2)
    return (ours - theirs).abs().mean() * both.shape[1]


class SelfSimilarity(PhotoTerm):
    """`self_similarity_loss`, averaged over layers.

    With a weight of 1, distances that differ by their own mean cost 1.
    """

    name = "self_similarity"

    def __init__(
        self,
        weight: float = 4.0,
        layers: Sequence[str] = ("relu3_1", "relu4_1"),
        *,
        scale: int = 1,
    ):
        super().__init__(weight, layers, scale=scale)

    def forward(self, result: Features, photo: Features) -> Tensor:
        losses = [self_similarity_loss(result[layer], photo[layer]) for layer in self.layers]
        return torch.stack(losses).mean()

"""Transport: each part of the result should look like some part of the painting, and vice versa.

Moments and Gram matrices of a whole picture do not say where its strokes are: a result that is only
partly painted may have the right ones. This term looks at each position. After the relaxed earth
mover's distance of Kolkin, Salavon & Shakhnarovich, "Style Transfer by Relaxed Optimal Transport
and Self-Similarity" (CVPR 2019), eq. 5.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hrstyle.losses.distances import cosine_distances
from hrstyle.losses.sampling import feature_vectors, sample_indices
from hrstyle.losses.term import Features, StyleTerm

SAMPLES = 768
"""Largest number of positions compared, of each picture; drawn anew in each call."""
TARGET_SAMPLES = 8192
"""Largest number of a painting's positions in the target; 8 MB for relu3_1."""


def transport_loss(features: Tensor, painting: Tensor) -> Tensor:
    """The larger of two mean distances, averaged over the batch; a float32 scalar from 0 to 2.

    One is the mean distance of the result's feature vectors to the nearest of the painting's; the
    other is that of the painting's to the nearest of the result's. The distance is 1 − the cosine
    of the angle. At most `SAMPLES` vectors are drawn from each picture.

    Args:
        features: `(N, C, H, W)`, of the result.
        painting: `(P, C)`, see `hrstyle.losses.sampling.feature_vectors`.
    """
    with torch.autocast(features.device.type, enabled=False):
        ours = feature_vectors(features, SAMPLES)
        theirs = painting[None]
        if len(painting) > SAMPLES:
            theirs = theirs[:, sample_indices(len(painting), SAMPLES, painting.device)]
        distances = cosine_distances(ours, theirs)
        to_painting, to_result = distances.min(2).values.mean(1), distances.min(1).values.mean(1)
    return torch.maximum(to_painting, to_result).mean()


class Transport(StyleTerm):
    """`transport_loss`, averaged over layers.

    With a weight of 1, feature vectors at right angles to all of the painting's cost 1. Features
    after a ReLU are never negative, so the value of an unpainted photo is only about .3.
    """

    name = "transport"

    def __init__(
        self,
        weight: float = 10.0,
        layers: Sequence[str] = ("relu3_1", "relu4_1"),
        *,
        scale: int = 1,
    ):
        super().__init__(weight, layers, scale=scale)

    def targets(self, painting: Features) -> dict[str, Tensor]:
        # Evenly spaced, not random: the target depends on the painting alone.
        found = {}
        for layer in self.layers:
            every = feature_vectors(painting[layer])[0]
            chosen = torch.linspace(0, len(every) - 1, min(TARGET_SAMPLES, len(every))).long()
            found[layer] = every[chosen.to(every.device)]
        return found

    def blend(self, targets: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        """The feature vectors of all paintings, their numbers in proportion to the shares."""
        total = min(len(target) / share for target, share in zip(targets, shares, strict=True))
        parts = []
        for target, share in zip(targets, shares, strict=True):
            count = max(1, round(total * share))
            chosen = torch.linspace(0, len(target) - 1, count).long()
            parts.append(target[chosen.to(target.device)])
        return torch.cat(parts)

    def forward(self, result: Features) -> Tensor:
        losses = [transport_loss(result[layer], self.get_buffer(layer)) for layer in self.layers]
        return torch.stack(losses).mean()

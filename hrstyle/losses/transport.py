"""Whether each place looks like some place of the painting, and all of the painting is used.

Statistics of a whole picture do not ask where: islands of paint beside bare photo may have the
right ones. After the relaxed earth mover's distance of Kolkin, Salavon & Shakhnarovich, "Style
Transfer by Relaxed Optimal Transport and Self-Similarity" (CVPR 2019), eq. 5.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hrstyle.losses.distances import cosine_distances, feature_vectors, sample_indices
from hrstyle.losses.term import Features, StyleTerm

SAMPLES = 768
"""Places of either picture that are compared at a time; drawn anew each time."""
TARGET_SAMPLES = 8192
"""Places that are kept of a painting, 8 MB of relu3_1's."""


def transport_loss(features: Tensor, painting: Tensor) -> Tensor:
    """The larger of two means of distances, averaged over the batch: 0 to 2, float32.

    One is from the result's places to the most similar of the painting's, the other from the
    painting's places to the most similar of the result's. A distance is 1 − the cosine of the
    angle between feature vectors. Of either at most `SAMPLES` places are drawn.

    Args:
        features: `(N, C, H, W)`, of the result.
        painting: `(P, C)`, places of the painting, see `hrstyle.losses.distances.places`.
    """
    with torch.autocast(features.device.type, enabled=False):
        ours = feature_vectors(features, SAMPLES)
        theirs = painting[None]
        if len(painting) > SAMPLES:
            theirs = theirs[:, sample_indices(len(painting), SAMPLES, painting.device)]
        distances = cosine_distances(ours, theirs)
        there, back = distances.min(2).values.mean(1), distances.min(1).values.mean(1)
    return torch.maximum(there, back).mean()


class Transport(StyleTerm):
    """`transport_loss`, averaged over layers.

    A weight of 1: places at right angles to all of the painting's cost 1. Features are never
    negative, so a photo starts at about .3.
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
        # Spread evenly and not drawn, so that nothing but the painting decides.
        found = {}
        for layer in self.layers:
            every = feature_vectors(painting[layer])[0]
            chosen = torch.linspace(0, len(every) - 1, min(TARGET_SAMPLES, len(every))).long()
            found[layer] = every[chosen.to(every.device)]
        return found

    def blend(self, targets: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        """The places of all, each painting's in proportion to its share."""
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

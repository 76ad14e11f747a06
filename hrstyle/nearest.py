"""Whether every place of a result looks like some place of the painting.

A Gram matrix of a whole picture does not ask where: islands of paint beside bare photo may have the
right one. Here each place is compared with the place of the painting that is most like it. After
the relaxed earth mover's distance of Kolkin, Salavon & Shakhnarovich, "Style Transfer by Relaxed
Optimal Transport and Self-Similarity" (CVPR 2019), with three differences: the painting's mean is
taken off before angles are compared, as by Mechrez et al. (ECCV 2018), or all would be alike; both
directions count instead of the worse one; and of the result's places only the worse half does,
which is where there is no paint yet.
"""

import torch
from torch import Tensor

_MOST = 2048  # places of either picture that are compared at a time
_LEAST = 1e-3  # of the painting's features, below which what is left has no direction


def places_of(features: Tensor) -> Tensor:
    """Features `(1, C, H, W)` as a list of places, `(H·W, C)`, float32."""
    return features[0].flatten(1).mT.float().contiguous()


def nearest_loss(features: Tensor, places: Tensor) -> Tensor:
    """The mean of two distances, averaged over the batch: a scalar between 0 and 2, float32.

    One is that of the worse half of a result's places to the most similar of the painting's, the
    other that of the painting's places to the most similar of the result's. A distance is 1 less
    the cosine of the angle. Of each picture 2048 places at most are drawn, by torch's generator.

    Args:
        features: `(N, C, H, W)`, of the result.
        places: `(P, C)`, see `places_of`, of the painting.
    """
    with torch.autocast(features.device.type, enabled=False):
        mean = places.mean(0)
        least = _LEAST * places.square().sum(1).mean().sqrt().clamp_min(1e-6)
        theirs = _directions(_drawn(places) - mean, least)
        terms = []
        for picture in features:
            ours = _directions(_drawn(places_of(picture[None])) - mean, least)
            with torch.no_grad():  # which are the nearest does not change with a small step
                likeness = ours @ theirs.mT
                to_theirs, to_ours = likeness.argmax(1), likeness.argmax(0)
            there = 1 - (ours * theirs[to_theirs]).sum(1)
            back = 1 - (ours[to_ours] * theirs).sum(1)
            terms.append((there.topk((len(there) + 1) // 2).values.mean() + back.mean()) / 2)
    return torch.stack(terms).mean()


def _directions(places: Tensor, least: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(places, dim=1, keepdim=True)
    return places / length.clamp_min(least)


def _drawn(places: Tensor) -> Tensor:
    if len(places) <= _MOST:
        return places
    # Drawn on the CPU, where a seed means the same for every device.
    return places[torch.randperm(len(places))[:_MOST].to(places.device)]

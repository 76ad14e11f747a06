"""Which parts of a photo differ in colour, and by how much compared with others.

Neither content nor statistics of a whole picture mind where a colour goes, so the cheapest way to
the right statistics is a colour for each brightness, with stamps in plain places. Here the palette
is free, but what is of one colour in the photo is of one colour in the result: a red stamp on a
cheek is not, since the cheek beside it stays as it was.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from hrstyle.losses.distances import sample_indices
from hrstyle.losses.term import IMAGE, Features, PhotoTerm

BLOCK = 16
"""Distance in pixels of the places whose mean colours are compared."""
SAMPLES = 1024
"""Places that are compared at a time, which is all of a picture of 512 × 512 pixels."""
_GREY = 0.7  # share of a place's brightness that is taken off, so that hue counts more
_TINY = 1e-6


def colour_layout_loss(result: Tensor, photo: Tensor, *, block: int = BLOCK) -> Tensor:
    """Mean difference between two matrices of distances between mean colours, float32.

    A matrix holds the distances between the mean colours of all pairs of places, each divided by
    the mean of them all. A value of .1 means: distances are off by a tenth of their mean. Means are
    weighted by a triangle (bilinear reduction with antialiasing): plain squares would show in a
    picture that is optimised.

    Args:
        result: `(N, 3, H, W)`, RGB.
        photo: `(N, 3, H, W)`, RGB.
        block: distance of the places in pixels; the mean reaches as far to all sides.
    """
    with torch.autocast(result.device.type, enabled=False):
        both = torch.cat([result.float(), photo.float()])
        size = [max(1, round(side / block)) for side in both.shape[2:]]
        colours = F.interpolate(both, size, mode="bilinear", antialias=True).flatten(2)
        colours = colours - _GREY * colours.mean(1, keepdim=True)
        count = colours.shape[2]
        if count > SAMPLES:
            colours = colours[:, :, sample_indices(count, SAMPLES, colours.device)]
        squares = (colours[:, :, :, None] - colours[:, :, None, :]).square().sum(1)
        distances = (squares + _TINY).sqrt()
        distances = distances / (distances.mean((1, 2), keepdim=True) + _TINY)
        ours, theirs = distances.chunk(2)
    return (ours - theirs).abs().mean()


class ColourLayout(PhotoTerm):
    """`colour_layout_loss` of the picture itself.

    A weight of 1: distances between colours that are off by all of their mean cost 1.
    """

    name = "colour_layout"

    def __init__(self, weight: float = 1.5, *, block: int = BLOCK, scale: int = 1):
        super().__init__(weight, (IMAGE,), scale=scale)
        self.block = block

    def forward(self, result: Features, photo: Features) -> Tensor:  # type: ignore[override]
        return colour_layout_loss(result[IMAGE], photo[IMAGE], block=self.block)

"""Colour layout: parts that differ in colour in the photo should differ likewise in the result.

Content and style terms hardly constrain where a colour goes. So a network can match the style's
statistics by mapping each brightness to one colour, and by adding spots of colour in smooth areas.
This term leaves the palette free, but requires that parts of one colour in the photo have one
colour in the result. A red spot on a cheek violates it, because the rest of the cheek is not red.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from hrstyle.losses.sampling import sample_indices
from hrstyle.losses.term import IMAGE, Features, PhotoTerm

BLOCK = 16
"""Pixels between neighbouring positions whose mean colours are compared."""
SAMPLES = 1024
"""Largest number of positions compared; a picture of 512 × 512 pixels has exactly so many."""
_GREY = 0.7  # share of the brightness that is subtracted, so that hue counts more
_TINY = 1e-6


def colour_layout_loss(result: Tensor, photo: Tensor, *, block: int = BLOCK) -> Tensor:
    """Mean absolute difference between two matrices of colour distances; a float32 scalar.

    The matrix of a picture holds the distances between the mean colours at all pairs of positions,
    divided by the mean distance. A value of .1 means: distances differ by a tenth of their mean.
    The mean colours are weighted by a triangle (bilinear reduction with antialiasing), because the
    edges of plain squares would show in an optimised picture.

    Args:
        result: `(N, 3, H, W)`, RGB.
        photo: `(N, 3, H, W)`, RGB.
        block: pixels between neighbouring positions; each mean covers `block` pixels to each side.
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
    """`colour_layout_loss` of the pictures themselves, without VGG19.

    With a weight of 1, colour distances that differ by their own mean cost 1.
    """

    name = "colour_layout"

    def __init__(self, weight: float = 1.5, *, block: int = BLOCK, scale: int = 1):
        super().__init__(weight, (IMAGE,), scale=scale)
        self.block = block

    def forward(self, result: Features, photo: Features) -> Tensor:
        return colour_layout_loss(result[IMAGE], photo[IMAGE], block=self.block)

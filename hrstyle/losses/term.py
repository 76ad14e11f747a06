"""What the terms of an objective have in common.

A term is a weighted question about the result. `PhotoTerm` asks how much is left of the photo,
`StyleTerm` how near it is to the painting, whose statistics it owns. `PerceptualLoss` sums them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from hrstyle.errors import InputError

Features = Mapping[str, Tensor]
"""VGG19's features of a batch by the name of their layer, `(N, C, H, W)` each."""
IMAGE = "image"
"""The layer name of the picture itself, `(N, 3, H, W)`, RGB in [0, 1]."""
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""Those of Gatys et al. (CVPR 2016)."""


class Term(nn.Module):
    """One term: a function of the result alone, unless it is one of the two kinds below.

    Args:
        weight: what its value is multiplied by in the sum. 0 leaves it out, uncomputed.
        layers: what it looks at: VGG19's layers, or `IMAGE`.
        scale: look at the picture averaged over squares of so many pixels; 2 is half the size.

    Raises:
        InputError: a weight that is negative or not finite; no layers, or one twice; a scale of 0.
    """

    name: ClassVar[str]

    def __init__(self, weight: float, layers: Sequence[str], *, scale: int = 1):
        super().__init__()
        if not 0 <= weight < math.inf:
            raise InputError(f"{self.name}: weight={weight} must be a number of at least 0")
        if not layers or len(set(layers)) < len(layers):
            raise InputError(f"{self.name}: layers={list(layers)} must name layers, none twice")
        if scale < 1:
            raise InputError(f"{self.name}: scale={scale} must be at least 1")
        self.weight = weight
        self.layers = tuple(layers)
        self.scale = scale

    @property
    def log_name(self) -> str:
        """Its name in logs: `moments`, or `moments_half` at half size."""
        suffix = {1: "", 2: "_half", 4: "_quarter"}.get(self.scale, f"_{self.scale}")
        return self.name + suffix

    def forward(self, result: Features) -> Tensor:
        """The unweighted value, a float32 scalar: the mean over the batch."""
        raise NotImplementedError


class PhotoTerm(Term):
    """A term that compares the result with its photo, at the same places."""

    def forward(self, result: Features, photo: Features) -> Tensor:  # type: ignore[override]
        """The unweighted value, a float32 scalar: the mean over the batch."""
        raise NotImplementedError


class StyleTerm(Term):
    """A term that compares the result with the painting, of which it keeps what it needs."""

    def targets(self, painting: Features) -> dict[str, Tensor]:
        """What to keep of a painting, by names of its own; batch size 1."""
        raise NotImplementedError

    def blend(self, targets: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        """One target of several paintings' ones: their mean, weighted by shares that sum to 1.

        To be near the mean is what the weighted sum of the squared errors of all asks for, up to a
        constant.
        """
        return torch.stack([t * share for t, share in zip(targets, shares, strict=True)]).sum(0)

    def set_targets(self, targets: Mapping[str, Tensor]) -> None:
        """Compare with these from now on."""
        for name, target in targets.items():
            self.register_buffer(name, target, persistent=False)

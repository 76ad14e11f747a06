"""The base classes of the terms of an objective, which `PerceptualLoss` sums.

A `PhotoTerm` compares the result with the photo. A `StyleTerm` compares it with statistics of the
painting, its targets, which it owns. A `ResultTerm` depends on the result alone.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from hrstyle.errors import InputError

Features = Mapping[str, Tensor]
"""VGG19 features of a batch by layer name, `(N, C, H, W)` each."""
IMAGE = "image"
"""Layer name of the picture itself, `(N, 3, H, W)`, RGB in [0, 1]."""
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""The style layers of Gatys et al. (CVPR 2016)."""


class Term(nn.Module, ABC):
    """What all terms have: a name, a weight, and what they look at.

    Args:
        weight: factor of its value in the sum. A term of weight 0 is not computed.
        layers: names of the features that it uses: VGG19 layers, or `IMAGE`.
        scale: factor by which the picture is first reduced (average pooling); 2 is half size.

    Raises:
        InputError: a weight that is negative or not finite; no layers, or one twice; a scale
            below 1.
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
        """The term's name in logs, with its scale: `moments`, or `moments_half` at half size."""
        suffix = {1: "", 2: "_half", 4: "_quarter"}.get(self.scale, f"_{self.scale}")
        return self.name + suffix


class ResultTerm(Term):
    """A term that depends on the result alone."""

    @abstractmethod
    def forward(self, result: Features) -> Tensor:
        """The unweighted value, a float32 scalar: the mean over the batch."""


class PhotoTerm(Term):
    """A term that compares the result with its photo, position by position."""

    @abstractmethod
    def forward(self, result: Features, photo: Features) -> Tensor:
        """The unweighted value, a float32 scalar: the mean over the batch."""


class StyleTerm(Term):
    """A term that compares the result with targets computed from the painting."""

    @abstractmethod
    def forward(self, result: Features) -> Tensor:
        """The unweighted value, a float32 scalar: the mean over the batch."""

    @abstractmethod
    def targets(self, painting: Features) -> dict[str, Tensor]:
        """Compute named targets from a painting's features (batch size 1)."""

    def blend(self, targets: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        """One target from those of several paintings: their mean, weighted by shares that sum to 1.

        The squared error to this mean equals the weighted sum of the squared errors to all targets,
        up to a constant.
        """
        return torch.stack([t * share for t, share in zip(targets, shares, strict=True)]).sum(0)

    def set_targets(self, targets: Mapping[str, Tensor]) -> None:
        """Store the targets that `forward` compares with, as non-persistent buffers."""
        for name, target in targets.items():
            self.register_buffer(name, target, persistent=False)

"""Gram matrices: which channels fire together, wherever that is (Gatys et al., CVPR 2016)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hrstyle.errors import InputError
from hrstyle.losses.content import check_normalisation
from hrstyle.losses.distances import mean_square, relative_error
from hrstyle.losses.term import STYLE_LAYERS, Features, StyleTerm


class _Products(torch.autograd.Function):
    """XᵀX / size of `(N, P, C)` features; its gradient is one product instead of two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.size = size
        return (x.mT @ x).float() / size

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return x @ ((gradient + gradient.mT) / ctx.size).to(x.dtype), None


def channel_products(features: Tensor, size: int) -> Tensor:
    """Sum over all places of the products of two channels, / size: `(N, C, H, W)` -> `(N, C, C)`.

    float32. Fastest where the channels lie together (channels_last).
    """
    with torch.autocast(features.device.type, enabled=False):
        return _Products.apply(features.permute(0, 2, 3, 1).flatten(1, 2), size)


def gram_matrix(features: Tensor) -> Tensor:
    """Correlations between channels, one matrix per picture.

    Args:
        features: `(N, C, H, W)`; fastest where the channels lie together (channels_last).

    Returns:
        `(N, C, C)`, float32: F Fᵀ / (C·H·W) with F the features as a C × H·W matrix. bfloat16
        features are multiplied as they are, the sums kept in float32 and rounded once; float16,
        which such sums overflow, in float32.
    """
    if features.dtype == torch.float16:
        features = features.float()
    return channel_products(features, features[0].numel())


def gram_loss(features: Tensor, target: Tensor, *, normalisation: str = "relative") -> Tensor:
    """Distance between a layer's Gram matrix and the painting's.

    Args:
        features: `(N, C, H, W)`, of the result.
        target: `(1, C, C)` or `(N, C, C)`, `gram_matrix` of the painting's features.
        normalisation: `"relative"`: `relative_error` of the Gram matrices. `"paper"`: the mean
            square between un-normalised Gram matrices F Fᵀ, divided by C·H·W, as in arXiv
            1904.11617. There photo and painting are squashed to one size; here they keep their own,
            so the painting's matrix is first brought to the area of the result. At one size the two
            agree to the letter.
    """
    check_normalisation(normalisation)
    gram = gram_matrix(features)
    if normalisation == "relative":
        return relative_error(gram, target)
    # With unit = C·H·W the un-normalised matrices are unit·gram and unit·target, and
    # mean((unit·gram − unit·target)²) / unit = unit · mean((gram − target)²).
    return features[0].numel() * mean_square(gram, target)


class Gram(StyleTerm):
    """`gram_loss`, averaged over layers.

    Args:
        weight: with relative terms, 1 counts a Gram matrix that is all zero as 1.
        layers: VGG19's.
        layer_weights: how much each layer counts; None: all the same. `"relative"` takes the
            weighted mean, so that only their ratios matter; `"paper"` the weighted sum.
        normalisation: see `gram_loss`.
        scale: see `Term`.

    Raises:
        InputError: see `Term`; weights that do not fit the layers.
    """

    name = "gram"

    def __init__(
        self,
        weight: float = 6.0,
        layers: Sequence[str] = STYLE_LAYERS,
        *,
        layer_weights: Sequence[float] | None = None,
        normalisation: str = "relative",
        scale: int = 1,
    ):
        super().__init__(weight, layers, scale=scale)
        check_normalisation(normalisation)
        shares = [1.0] * len(layers) if layer_weights is None else list(layer_weights)
        if len(shares) != len(layers) or min(shares) < 0 or not 0 < sum(shares) < math.inf:
            raise InputError(
                f"style_layer_weights={shares} must give one weight of at least 0 for each of"
                f" style_layers={list(layers)}, and not all 0"
            )
        total = sum(shares) if normalisation == "relative" else 1.0
        self.shares = [share / total for share in shares]
        self.normalisation = normalisation

    def targets(self, painting: Features) -> dict[str, Tensor]:
        return {layer: gram_matrix(painting[layer]) for layer in self.layers}

    def forward(self, result: Features) -> Tensor:
        how = {"normalisation": self.normalisation}
        losses = [
            share * gram_loss(result[layer], self.get_buffer(layer), **how)
            for layer, share in zip(self.layers, self.shares, strict=True)
        ]
        return torch.stack(losses).sum()

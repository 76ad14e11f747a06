"""Gram matrices: the result should have the painting's channel correlations (Gatys et al. 2016)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hrstyle.errors import InputError
from hrstyle.losses.distances import check_normalisation, mean_square, relative_error
from hrstyle.losses.term import STYLE_LAYERS, Features, StyleTerm


class _Products(torch.autograd.Function):
    """XᵀX / size for features X `(N, P, C)`; its gradient takes one matrix product, not two."""

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
    """Products of all pairs of channels, summed over positions and divided by `size`.

    `(N, C, H, W)` -> `(N, C, C)`, float32. Fastest with channels_last features.
    """
    with torch.autocast(features.device.type, enabled=False):
        return _Products.apply(features.permute(0, 2, 3, 1).flatten(1, 2), size)


def gram_matrix(features: Tensor) -> Tensor:
    """Correlations between channels, one matrix per picture (Gatys et al., CVPR 2016).

    Args:
        features: `(N, C, H, W)`; fastest with channels_last.

    Returns:
        `(N, C, C)`, float32: F Fᵀ / (C·H·W), where F are the features as a C × H·W matrix. bfloat16
        features are multiplied in bfloat16, with sums in float32 that are rounded once. float16
        features are converted to float32 first, because the sums would overflow.
    """
    if features.dtype == torch.float16:
        features = features.float()
    return channel_products(features, features[0].numel())


def gram_loss(features: Tensor, target: Tensor, *, normalisation: str = "relative") -> Tensor:
    """Distance between the Gram matrices of result and painting in one layer.

    Args:
        features: `(N, C, H, W)`, of the result.
        target: `(1, C, C)` or `(N, C, C)`, `gram_matrix` of the painting's features.
        normalisation: `"relative"`: `relative_error` of the Gram matrices. `"paper"`: the mean
            square between un-normalised Gram matrices F Fᵀ, divided by C·H·W, as in arXiv
            1904.11617. The paper resizes photo and painting to one size. Here they keep their own
            sizes, and the painting's matrix is scaled to the area of the result; for equal sizes
            the result is exactly the paper's.
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
        weight: with a weight of 1 and relative normalisation, an all-zero Gram matrix costs 1.
        layers: names of VGG19 layers.
        layer_weights: weight of each layer; None: all equal. `"relative"` computes the weighted
            mean, so only ratios matter; `"paper"` computes the weighted sum.
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
                f"gram: layer_weights={shares} must give one weight of at least 0 for each of"
                f" layers={list(layers)}, and not all 0"
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

"""Matching colours: results get the painting's mean colour and colour covariance.

What a network cannot predict it averages. So after training its colours vary less than the
painting's, which looks faded and soft. The linear map that corrects this is merged into the
network's last convolution, so it takes no time in repainting.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from hrstyle.generator.base import Generator

COUNT = 24
"""Number of crops from which the colours of results are measured."""
_GAINS = 0.5, 2.0  # bounds of the factors by which colours are spread
_TOLERANCE = 1e-3


def colour_map(
    mean: Tensor, covariance: Tensor, wanted_mean: Tensor, wanted_covariance: Tensor
) -> tuple[Tensor, Tensor]:
    """The linear map between two distributions of colours that moves colours least.

    It is the optimal transport between Gaussians, after Pitié & Kokaram, "The linear
    Monge-Kantorovitch linear colour mapping for example-based colour transfer" (CVMP 2007).

    Args:
        mean, covariance: `(C,)` and `(C, C)`, of the colours as they are.
        wanted_mean, wanted_covariance: as they should be.

    Returns:
        The matrix `(C, C)`, symmetric, and the shift `(C,)`: matrix @ colour + shift is the new
        colour. Factors are limited to 0.5 to 2.
    """
    root, inverse = _root(covariance, 0.5), _root(covariance, -0.5)
    matrix = inverse @ _root(root @ wanted_covariance @ root, 0.5) @ inverse
    factors, axes = torch.linalg.eigh(matrix)
    matrix = axes @ torch.diag(factors.clamp(*_GAINS)) @ axes.mT
    return matrix, wanted_mean - matrix @ mean


def _root(matrix: Tensor, power: float) -> Tensor:
    values, axes = torch.linalg.eigh(matrix)
    return axes @ torch.diag(values.clamp_min(1e-12) ** power) @ axes.mT


@torch.no_grad()
def match_colours(
    generator: Generator,
    photos: Sequence[Tensor],
    paintings: Sequence[Tensor],
    *,
    style_weight: float = 1.0,
) -> bool:
    """Change a generator's last convolution so that its results have the paintings' colours.

    Args:
        generator: the network, on any device.
        photos: batches `(N, 3, H, W)` in [0, 1]. Covariances are taken within each picture.
        paintings: `(1, 3, H, W)` each, in [0, 1]; their moments are averaged.
        style_weight: the style's, see `hrstyle.losses.PerceptualLoss`. Below 1, colours go only by
            this share of the way to the paintings'.

    Returns:
        Whether the network was changed. It is not if its last convolution does not give the result,
        as may be in a network from outside.
    """
    place = generator.mean.device
    training = generator.training
    generator.eval()
    found = _mean_moments(generator(photo.to(place)) for photo in photos)
    matrix, shift = colour_map(*found, *_mean_moments(paintings))
    share = min(1.0, style_weight)
    matrix, shift = torch.lerp(torch.eye(3, dtype=matrix.dtype), matrix, share), share * shift
    changed = _merge(generator, matrix, shift, photos[0].to(place))
    generator.train(training)
    return changed


def _mean_moments(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean of means, and mean of covariances, of all pictures; float64, on the CPU."""
    means, covariances = [], []
    for batch in batches:  # one after the other, as they may be many
        for picture in batch:
            colours = picture.clamp(0, 1).flatten(1).double().cpu()
            means.append(colours.mean(1))
            covariances.append(colours.cov(correction=0))
    return torch.stack(means).mean(0), torch.stack(covariances).mean(0)


def _merge(generator: Generator, matrix: Tensor, shift: Tensor, photo: Tensor) -> bool:
    """Merge the map into the last convolution, if that maps the colours of the photo's result."""
    last = next(
        (part for part in reversed(list(generator.modules())) if isinstance(part, nn.Conv2d)), None
    )
    if last is None or last.out_channels != 3 or last.bias is None:
        return False
    before = generator(photo)
    # Not by a matrix product, for which a GPU may use TF32, whose error is as large as _TOLERANCE.
    expected = (matrix.to(before)[:, :, None, None] * before[:, None]).sum(2)
    expected += shift.to(before)[:, None, None]
    weight, bias = last.weight.clone(), last.bias.clone()
    # The network's output y becomes mean + std * y, see `Generator`.
    mean, std = (values.flatten().double().cpu() for values in (generator.mean, generator.std))
    inner = torch.diag(1 / std) @ matrix @ torch.diag(std)
    inner_shift = (matrix @ mean + shift - mean) / std
    last.weight.copy_(torch.einsum("ij,jchw->ichw", inner.to(weight), weight))
    last.bias.copy_(inner.to(bias) @ bias + inner_shift.to(bias))
    if torch.allclose(generator(photo), expected, atol=_TOLERANCE):
        return True
    last.weight.copy_(weight)
    last.bias.copy_(bias)
    return False

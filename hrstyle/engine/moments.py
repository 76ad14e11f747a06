"""Exact InstanceNorm statistics of a picture that is read band by band."""

import torch
from torch import Tensor

from hrstyle.engine.layers import Layer


class Moments:
    """Mean and variance of every channel of every picture, merged band by band (Chan et al. 1979).

    Each band's own mean is subtracted before squaring, which avoids cancellation. The bands are
    merged in float64 (in float32 on Apple's MPS, which has no float64).
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = torch.zeros(())

    def update(self, values: Tensor) -> None:
        """Add rows `(N, C, rows, W)`."""
        values = values.float()
        wide = torch.float32 if values.device.type == "mps" else torch.float64
        mean = values.mean((2, 3), keepdim=True)
        squares = (values - mean).square_().sum((2, 3), keepdim=True)
        count = values.shape[2] * values.shape[3]
        total = self.count + count
        delta = mean.to(wide) - self.mean.to(values.device)
        self.mean = self.mean.to(values.device) + delta * (count / total)
        self.squares = self.squares.to(values.device) + squares.to(wide)
        self.squares += delta.square() * (self.count * count / total)
        self.count = total

    def scale_and_shift(self, norm: Layer) -> tuple[Tensor, Tensor]:
        """The norm as a multiply-add, x * scale + shift; float32, `(N, C, 1, 1)` each."""
        scale = (self.squares / self.count + norm.settings["eps"]).rsqrt()
        shift = -self.mean * scale
        if norm.settings["weight"] is not None:
            weight, bias = (norm.settings[k].to(scale.dtype) for k in ("weight", "bias"))
            scale, shift = scale * weight.view(-1, 1, 1), shift * weight.view(-1, 1, 1)
            shift = shift + bias.view(-1, 1, 1)
        return scale.float(), shift.float()


def fold(conv: Layer, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with the norm after it folded in; for batch size 1."""
    weight, bias = conv.settings["weight"], conv.settings["bias"]
    folded = shift.flatten() if bias is None else bias.float() * scale.flatten() + shift.flatten()
    return (weight.float() * scale.view(-1, 1, 1, 1)).to(weight.dtype), folded.to(weight.dtype)

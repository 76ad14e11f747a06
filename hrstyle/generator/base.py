"""`Generator`: a network that repaints a photo in one forward pass; and its building blocks.

The networks are built from the parts of "High-Resolution Network for Photorealistic Style Transfer"
(Li et al., arXiv 1904.11617): bottleneck blocks with InstanceNorm, several resolutions in parallel,
strided 3x3 convolutions for downsampling and bilinear upsampling. There is no pooling or dropout.

`pyramid()`, the default, does most of its work at 1/4 and 1/8 resolution. Its receptive field is
165 pixels wide, enough for brush strokes. The paper's own network
(`hrstyle.generator.paper_network`) has a receptive field of 23 pixels, enough for colour and fine
hatching.

Every generator takes an RGB picture `(N, 3, H, W)` in [0, 1] with any H, W >= 1, and returns a
picture of the same shape. Its values are nominally in [0, 1] but not clamped, because clamping
would stop the gradient. Code that shows or saves the picture clamps it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

PaddingMode = Literal["zeros", "reflect"]


def upsample(x: Tensor, factor: int) -> Tensor:
    """Bilinear upsampling by a whole factor: `(N, C, H, W)` -> `(N, C, factor*H, factor*W)`."""
    return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    norm: bool = True,
    affine: bool,
    padding_mode: PaddingMode,
) -> nn.Sequential:
    """Convolution that keeps the size (or divides it by `stride`), then InstanceNorm if `norm`."""
    padding = kernel_size // 2
    layers: list[nn.Module] = [
        nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, padding_mode=padding_mode
        )
    ]
    if norm:
        layers.append(nn.InstanceNorm2d(out_channels, affine=affine))
    return nn.Sequential(*layers)


class Bottleneck(nn.Module):
    """Residual block 1x1, 3x3, 1x1, each with InstanceNorm and ReLU; then sum and ReLU.

    As in the paper and unlike in a ResNet, the last 1x1 also has a ReLU before the sum. The
    shortcut is the identity, or a 1x1 convolution with InstanceNorm if the number of channels
    changes. `width` is the number of channels of the 3x3 convolution. `norms` says which of the
    three convolutions have an InstanceNorm; in the paper all have.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int,
        *,
        norms: tuple[bool, bool, bool] = (True, True, True),
        affine: bool = True,
        padding_mode: PaddingMode = "reflect",
    ):
        super().__init__()
        kind: dict[str, Any] = {"affine": affine, "padding_mode": padding_mode}
        self.body = nn.Sequential(
            conv_norm(in_channels, width, 1, norm=norms[0], **kind),
            nn.ReLU(),
            conv_norm(width, width, 3, norm=norms[1], **kind),
            nn.ReLU(),
            conv_norm(width, out_channels, 1, norm=norms[2], **kind),
            nn.ReLU(),
        )
        self.shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else conv_norm(in_channels, out_channels, 1, **kind)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.body(x))


def noise_rows(
    pattern: Tensor, low: int, high: int, width: int, shift: Sequence[int] = (0, 0)
) -> Tensor:
    """Rows low to high - 1 of a square pattern that repeats in both axes: `(high - low, width)`."""
    period, device = len(pattern), pattern.device
    rows = (torch.arange(low, high, device=device) + shift[0]) % period
    columns = (torch.arange(width, device=device) + shift[1]) % period
    return pattern[rows][:, columns]


def add_noise(x: Tensor, weight: Tensor, pattern: Tensor, shift: Sequence[int]) -> Tensor:
    """x + weight * pattern, with the pattern repeated to the size of x; `weight` is `(C, 1, 1)`."""
    if has_torch_function_unary(x):  # the recording stand-in of hrstyle.engine.layers
        return handle_torch_function(add_noise, (x,), x, weight, pattern, shift)
    return x + weight * noise_rows(pattern, 0, x.shape[2], x.shape[3], shift)


class Noise(nn.Module):
    """Adds a fixed pattern of Gaussian noise, one value per position, with a weight per channel.

    In a plain sky all positions have the same input. Without noise, a network could only paint what
    depends on the nearest edge: rings around shapes, bands along the border, or nothing. With
    noise, each position differs (Ulyanov et al., "Texture Networks", ICML 2016, feed noise for the
    same reason). The pattern repeats every `period` rows and columns. It is the same on every
    machine, so a photo is always repainted alike. In training it is shifted at random in every
    step.
    """

    pattern: Tensor

    def __init__(self, channels: int, *, period: int):
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, 1, 1), 0.3))
        # NumPy guarantees that RandomState gives the same numbers in every version.
        values = np.random.RandomState(period).standard_normal((period, period))
        # On the CPU even under torch.device("meta"), see hrstyle.checkpoint.load_generator.
        pattern = torch.tensor(values, dtype=torch.float32, device="cpu")
        self.register_buffer("pattern", pattern, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        shift = torch.randint(len(self.pattern), (2,)).tolist() if self.training else (0, 0)
        return add_noise(x, self.weight, self.pattern, shift)


class Generator(nn.Module, ABC):
    """Base class of all generators: pads the picture, normalises it, and calls `network`.

    A subclass defines `network(x)`, whose input is normalised and has sides that are multiples of
    `stride`. It also sets `config`, a dictionary of plain values from which
    `checkpoint.from_config` rebuilds the network.

    Args:
        stride: one pixel of the coarsest resolution covers `stride` pixels of the picture.
        mean, std: per-channel values; the network sees (picture - mean) / std, and its output y
            becomes the picture mean + std * y.
    """

    config: dict[str, Any]
    mean: Tensor
    std: Tensor

    def __init__(self, *, stride: int, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.stride = stride
        # Constants, not learnt: not persistent, so they are not in the state dict.
        for name, values in (("mean", mean), ("std", std)):
            constant = torch.tensor(values, device="cpu").view(3, 1, 1)  # on the CPU: see Noise
            self.register_buffer(name, constant, persistent=False)

    @abstractmethod
    def network(self, x: Tensor) -> Tensor:
        """The network itself, from normalised values to normalised values; see the class."""

    def forward(self, picture: Tensor) -> Tensor:
        """Repaint a picture `(N, 3, H, W)` in [0, 1]; see the top of this module."""
        height, width = picture.shape[-2:]
        padded = pad_to_multiple(picture, self.stride)
        return self.decode(self.network(self.encode(padded)))[..., :height, :width]

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights, in which the network computes."""
        return next(self.parameters()).dtype

    def encode(self, picture: Tensor) -> Tensor:
        """Picture values in [0, 1] -> normalised input of `network`."""
        return ((picture - self.mean) / self.std).to(self.dtype)

    def decode(self, values: Tensor) -> Tensor:
        """Output of `network` -> picture values, in float32 or higher precision.

        bfloat16 has 8 bits of precision; picture values in it would show steps in smooth areas.
        """
        return values.to(torch.promote_types(values.dtype, torch.float32)) * self.std + self.mean


def pad_to_multiple(picture: Tensor, stride: int) -> Tensor:
    """Pad a picture on the right and at the bottom, so that both sides are multiples of `stride`.

    Each side becomes at least 2 * `stride`, because InstanceNorm and reflection padding need two
    pixels per side at the coarsest resolution. The padding is a reflection if the picture is large
    enough, else it repeats the last row or column.
    """

    def missing(size: int) -> int:
        return max(-size % stride, 2 * stride - size)

    height, width = picture.shape[-2:]
    for size, padding in (
        (width, (0, missing(width), 0, 0)),
        (height, (0, 0, 0, missing(height))),
    ):
        if any(padding):
            mode = "reflect" if missing(size) < size else "replicate"
            picture = F.pad(picture, padding, mode=mode)
    return picture

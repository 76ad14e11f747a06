"""3x3 convolutions with fixed weights, by fewer multiplications: what a loss network on a CPU does.

After Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016), F(4x4, 3x3): a
tile of 6x6 input values is transformed, multiplied by the transformed weights value by value, and
transformed back to a tile of 4x4 results. That takes 36 products where the definition takes 144;
those of all tiles are 36 matrix products, which every BLAS does well. In float32 the result is off
by some 1e-5 of its size. torch's own convolution on CPUs goes by the definition.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# The matrices of the paper's section 4.3: interpolation at 0, 1, -1, 2, -2 and infinity.
_INPUT = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
_WEIGHT = [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]
_OUTPUT = [
    [1, 1, 1, 1, 1, 0],
    [0, 1, -1, 2, -2, 0],
    [0, 1, 1, 4, 4, 0],
    [0, 1, -1, 8, -8, 1],
]


def _both_axes(matrix: list[list[int]], like: Tensor) -> Tensor:
    """The matrix for rows and columns at once: one larger product instead of two small ones."""
    one = like.new_tensor(matrix)
    return torch.kron(one, one)


def transform_weights(weight: Tensor) -> Tensor:
    """`(out, in, 3, 3)` -> `(36, in, out)`, what `convolve` takes."""
    matrix = torch.tensor(_WEIGHT, dtype=torch.float64)
    both = torch.kron(matrix, matrix).to(weight)  # rows and columns at once
    values = both @ weight.permute(2, 3, 1, 0).reshape(9, -1)
    return values.view(36, weight.shape[1], weight.shape[0])


def convolve(x: Tensor, transformed: Tensor) -> Tensor:
    """Convolution without padding: `(N, in, H, W)` -> `(N, out, H - 2, W - 2)`, channels_last.

    Args:
        x: any size from 3x3; fastest in channels_last.
        transformed: see `transform_weights`.
    """
    n, channels, height, width = (*x.shape[:2], x.shape[2] - 2, x.shape[3] - 2)
    down, across = math.ceil(height / 4), math.ceil(width / 4)
    x = F.pad(x, (0, 4 * across - width, 0, 4 * down - height))
    tiles = x.permute(0, 2, 3, 1).unfold(1, 6, 4).unfold(2, 6, 4)  # N, down, across, C, 6, 6
    tiles = tiles.permute(4, 5, 0, 1, 2, 3).reshape(36, -1)
    tiles = (_both_axes(_INPUT, x) @ tiles).view(36, -1, channels)
    result = torch.bmm(tiles, transformed).view(36, -1)
    result = _both_axes(_OUTPUT, x) @ result
    result = result.view(4, 4, n, down, across, -1).permute(2, 3, 0, 4, 1, 5)
    result = result.reshape(n, 4 * down, 4 * across, -1)
    return result[:, :height, :width].permute(0, 3, 1, 2)


def convolve_adjoint(gradient: Tensor, transformed: Tensor) -> Tensor:
    """The gradient of `convolve` for its input: `(N, out, H - 2, W - 2)` -> `(N, in, H, W)`.

    Its steps backwards, with the same weights. (A convolution with the weights mirrored gives the
    same, but has weights of its own to keep, and often more tiles.)

    Args:
        gradient: that of the output; fastest in channels_last.
        transformed: what `convolve` took.
    """
    n, channels, height, width = gradient.shape
    down, across = math.ceil(height / 4), math.ceil(width / 4)
    gradient = F.pad(gradient, (0, 4 * across - width, 0, 4 * down - height))
    tiles = gradient.permute(0, 2, 3, 1).reshape(n, down, 4, across, 4, channels)
    tiles = tiles.permute(2, 4, 0, 1, 3, 5).reshape(16, -1)
    tiles = (_both_axes(_OUTPUT, gradient).T @ tiles).view(36, -1, channels)
    tiles = torch.bmm(tiles, transformed.mT).view(36, -1)
    tiles = (_both_axes(_INPUT, gradient).T @ tiles).view(6, 6, n, down, across, -1)
    # The last two rows of a tile of 6 are the first two of the next one; columns likewise.
    rows = F.pad(tiles[:4], (0, 0, 0, 0, 0, 1))
    rows[:2, :, :, 1:] += tiles[4:]
    whole = F.pad(rows[:, :4], (0, 0, 0, 1))
    whole[:, :2, :, :, 1:] += rows[:, 4:]
    result = whole.permute(2, 3, 0, 4, 1, 5).reshape(n, 4 * down + 4, 4 * across + 4, -1)
    return result[:, : height + 2, : width + 2].permute(0, 3, 1, 2)


class _Convolution(torch.autograd.Function):
    """`convolve` with a gradient for its input and none for its weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: "FrozenConv2d") -> Tensor:
        ctx.layer = layer
        return convolve(x, layer.transformed())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return convolve_adjoint(gradient, ctx.layer.transformed()), None


class FrozenConv2d(nn.Conv2d):
    """A 3x3 convolution with stride 1 whose weights never change, fast on CPUs.

    In float32 on a CPU it goes by tiles where there are channels enough for that to pay (2.2 times
    as fast at 256 and more), and keeps the transformed weights, four times the size of its own.
    Elsewhere it is `nn.Conv2d`.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._transformed: Tensor | None = None

    def transformed(self) -> Tensor:
        """The weights for `convolve` and `convolve_adjoint`."""
        if self._transformed is None:
            self._transformed = transform_weights(self.weight.detach())
        return self._transformed

    def forward(self, x: Tensor) -> Tensor:
        by_tiles = (
            x.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and self.in_channels * self.out_channels >= 64 * 128
        )
        if not by_tiles:
            return super().forward(x)
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        result = _Convolution.apply(F.pad(x, (1, 1, 1, 1), mode=mode), self)
        return result if self.bias is None else result + self.bias.view(-1, 1, 1)

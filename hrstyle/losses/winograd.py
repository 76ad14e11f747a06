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


_TILES = 128
"""Tiles that each thread works on at a time: what is computed stays in the processor's cache."""


def _both_axes(matrix: list[list[int]], values: Tensor, *, transposed: bool = False) -> Tensor:
    """The matrix for rows and for columns: `(a, a, …)` -> `(b, b, P)`."""
    one = values.new_tensor(matrix)
    one = one.mT if transposed else one
    values = torch.matmul(one, values.reshape(len(values), values.shape[1], -1))
    return (one @ values.view(len(values), -1)).view(len(one), len(one), -1)


def _bands(n: int, down: int, across: int) -> list[tuple[int, int]]:
    """First and last row of tiles of each band."""
    rows = max(1, _TILES * torch.get_num_threads() // (n * across))
    return [(top, min(top + rows, down)) for top in range(0, down, rows)]


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
    x = F.pad(x, (0, 4 * across - width, 0, 4 * down - height)).permute(0, 2, 3, 1)
    result = x.new_empty(n, 4 * down, 4 * across, transformed.shape[2])
    for top, end in _bands(n, down, across):
        tiles = x[:, 4 * top : 4 * end + 2].unfold(1, 6, 4).unfold(2, 6, 4)
        tiles = _both_axes(_INPUT, tiles.permute(4, 5, 0, 1, 2, 3))  # N, down, across, C, 6, 6
        tiles = torch.bmm(tiles.view(36, -1, channels), transformed)
        tiles = _both_axes(_OUTPUT, tiles.view(6, 6, -1))
        tiles = tiles.view(4, 4, n, end - top, across, -1).permute(2, 3, 0, 4, 1, 5)
        result[:, 4 * top : 4 * end].view_as(tiles).copy_(tiles)
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
    gradient = F.pad(gradient, (0, 4 * across - width, 0, 4 * down - height)).permute(0, 2, 3, 1)
    result = gradient.new_zeros(n, 4 * down + 4, 4 * across + 4, transformed.shape[1])
    for top, end in _bands(n, down, across):
        tiles = gradient[:, 4 * top : 4 * end].view(n, end - top, 4, across, 4, channels)
        tiles = _both_axes(_OUTPUT, tiles.permute(2, 4, 0, 1, 3, 5), transposed=True)
        tiles = torch.bmm(tiles.view(36, -1, channels), transformed.mT)
        tiles = _both_axes(_INPUT, tiles.view(6, 6, -1), transposed=True)
        tiles = tiles.view(6, 6, n, end - top, across, -1).permute(2, 3, 0, 4, 1, 5)
        # The last two rows of a tile of 6 are the first two of the next one; columns likewise.
        for below, rows in ((0, slice(4)), (4, slice(4, 6))):
            here = result[:, 4 * top + below : 4 * end + below]
            here = here.view(n, end - top, 4, across + 1, 4, -1)
            count = rows.stop - (rows.start or 0)
            here[:, :, :count, :across] += tiles[:, :, rows, :, :4]
            here[:, :, :count, 1:, :2] += tiles[:, :, rows, :, 4:]
    return result[:, : height + 2, : width + 2].permute(0, 3, 1, 2)


class _Convolution(torch.autograd.Function):
    """`convolve` with a gradient for its input and none for its weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: "FrozenConv2d") -> Tensor:
        ctx.transformed = layer.transformed()
        return convolve(x, ctx.transformed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return convolve_adjoint(gradient, ctx.transformed), None


class FrozenConv2d(nn.Conv2d):
    """A 3x3 convolution with stride 1 whose weights hardly ever change, fast on CPUs.

    In float32 on a CPU it goes by tiles where there are channels enough for that to pay (2.2 times
    as fast at 256 and more), and keeps the transformed weights, four times the size of its own.
    Elsewhere it is `nn.Conv2d`.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._transformed: Tensor | None = None
        self._source: tuple[Tensor, int] | None = None  # what that was computed from

    def transformed(self) -> Tensor:
        """The weights for `convolve` and `convolve_adjoint`; computed again when they change."""
        weight = self.weight.detach()
        version = 0 if weight.is_inference() else weight._version
        known = self._source is not None and (
            self._source[0].data_ptr() == weight.data_ptr() and self._source[1] == version
        )
        if self._transformed is None or not known:
            self._transformed, self._source = transform_weights(weight), (weight, version)
        return self._transformed

    def forward(self, x: Tensor) -> Tensor:
        by_tiles = (
            x.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and self.in_channels * self.out_channels >= 64 * 64
        )
        if not by_tiles:
            return super().forward(x)
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        result = _Convolution.apply(F.pad(x, (1, 1, 1, 1), mode=mode), self)
        return result if self.bias is None else result + self.bias.view(-1, 1, 1)

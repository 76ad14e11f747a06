"""Winograd convolution: fast 3x3 convolutions with fixed weights, for the loss network on a CPU.

After Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016), F(4x4, 3x3): a
tile of 6x6 input values is transformed, multiplied elementwise by the transformed weights, and
transformed back to a tile of 4x4 results. That takes 36 multiplications where direct convolution
takes 144. Over all tiles they are 36 matrix products, which BLAS computes efficiently. In float32
the relative error is about 1e-5. torch's own convolution on CPUs is a direct one.
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
"""Tiles per thread in one band: few enough that intermediates stay in the processor's cache."""


def _both_axes(matrix: list[list[int]], values: Tensor, *, transposed: bool = False) -> Tensor:
    """Multiply the first two axes by the matrix, as M X Mᵀ: `(a, a, …)` -> `(b, b, P)`."""
    one = values.new_tensor(matrix)
    one = one.mT if transposed else one
    values = torch.matmul(one, values.reshape(len(values), values.shape[1], -1))
    return (one @ values.view(len(values), -1)).view(len(one), len(one), -1)


def _bands(n: int, down: int, across: int) -> list[tuple[int, int]]:
    """First row of tiles, and the row after the last, of each band."""
    rows = max(1, _TILES * torch.get_num_threads() // (n * across))
    return [(top, min(top + rows, down)) for top in range(0, down, rows)]


def transform_weights(weight: Tensor) -> Tensor:
    """Transform weights for `convolve`: `(out, in, 3, 3)` -> `(36, in, out)`."""
    matrix = torch.tensor(_WEIGHT, dtype=torch.float64)
    both = torch.kron(matrix, matrix).to(weight)  # rows and columns at once
    values = both @ weight.permute(2, 3, 1, 0).reshape(9, -1)
    return values.view(36, weight.shape[1], weight.shape[0])


def convolve(x: Tensor, transformed: Tensor) -> Tensor:
    """Convolution without padding: `(N, in, H, W)` -> `(N, out, H - 2, W - 2)`, channels_last.

    Args:
        x: any size from 3x3; fastest in channels_last.
        transformed: weights from `transform_weights`.
    """
    n, channels, height, width = (*x.shape[:2], x.shape[2] - 2, x.shape[3] - 2)
    down, across = math.ceil(height / 4), math.ceil(width / 4)
    x = F.pad(x, (0, 4 * across - width, 0, 4 * down - height)).permute(0, 2, 3, 1)
    result = x.new_empty(n, 4 * down, 4 * across, transformed.shape[2])
    for top, end in _bands(n, down, across):
        tiles = x[:, 4 * top : 4 * end + 2].unfold(1, 6, 4).unfold(2, 6, 4)
        # N, down, across, C, 6, 6
        tiles = _both_axes(_INPUT, tiles.permute(4, 5, 0, 1, 2, 3))
        tiles = torch.bmm(tiles.view(36, -1, channels), transformed)
        tiles = _both_axes(_OUTPUT, tiles.view(6, 6, -1))
        tiles = tiles.view(4, 4, n, end - top, across, -1).permute(2, 3, 0, 4, 1, 5)
        result[:, 4 * top : 4 * end].view_as(tiles).copy_(tiles)
    return result[:, :height, :width].permute(0, 3, 1, 2)


def convolve_adjoint(gradient: Tensor, transformed: Tensor) -> Tensor:
    """The gradient of `convolve` for its input: `(N, out, H - 2, W - 2)` -> `(N, in, H, W)`.

    It does the steps of `convolve` backwards, with the same transformed weights. (A convolution
    with mirrored weights would give the same, but needs a second set of weights and often more
    tiles.)

    Args:
        gradient: gradient of the output; fastest in channels_last.
        transformed: the weights that `convolve` took.
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
    """A 3x3 convolution with stride 1 whose weights rarely change, fast on CPUs.

    In float32 on a CPU, with enough channels, it is a Winograd convolution (2.2 times as fast from
    256 channels on). It caches the transformed weights, which take four times the memory of the
    weights. Otherwise it is an `nn.Conv2d`.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._transformed: Tensor | None = None
        self._source: tuple[Tensor, int] | None = None  # its weights and their version

    def transformed(self) -> Tensor:
        """The transformed weights, which are cached until the weights change."""
        weight = self.weight.detach()
        version = 0 if weight.is_inference() else weight._version
        is_current = self._source is not None and (
            self._source[0].data_ptr() == weight.data_ptr() and self._source[1] == version
        )
        if self._transformed is None or not is_current:
            self._transformed, self._source = transform_weights(weight), (weight, version)
        return self._transformed

    def forward(self, x: Tensor) -> Tensor:
        use_winograd = (
            x.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and self.in_channels * self.out_channels >= 64 * 64
        )
        if not use_winograd:
            return super().forward(x)
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        result = _Convolution.apply(F.pad(x, (1, 1, 1, 1), mode=mode), self)
        return result if self.bias is None else result + self.bias.view(-1, 1, 1)

"""The list of a generator's layers, recorded from its `network`.

`read_layers` calls `Generator.network` with a stand-in for the picture, a `Layer`, which records
each operation. So a network is described only once, in its own code, and `streaming` and `onnx`
always compute the same as it. (torch.fx could record it too, but it patches `nn.Module` for all
threads while it does.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hrstyle.generator.base import Generator, add_noise


@dataclass(eq=False)
class Layer:
    """One operation of a network, and the stand-in for its output, which records the next ones.

    Args:
        kind: `"picture"`, `"pad"`, `"conv"`, `"norm"`, `"noise"`, `"relu"`, `"add"`, `"cat"` or
            `"upsample"`. A `"pad"` is merged into the convolution after it.
        inputs: the layers whose outputs it reads.
        channels: number of channels of its output.
        stride: one row of its output covers `stride` rows of the picture.
        settings: the operation's weights and parameters, by name.
    """

    kind: str
    inputs: "list[Layer]"
    channels: int
    stride: int
    settings: dict[str, Any] = field(default_factory=dict)

    def _record(self, kind: str, channels: int | None = None, **settings: Any) -> "Layer":
        return Layer(kind, [self], channels or self.channels, self.stride, settings)

    # The methods of a tensor that a network's modules call.

    def dim(self) -> int:
        return 4

    def size(self, dim: int) -> int:
        _require(dim == 1, "a network that reads the picture's height or width")
        return self.channels

    def __add__(self, other: "Layer") -> "Layer":
        _require(self._has_shape_of(other), "a sum of anything but two layers of one size")
        return Layer("add", [self, other], self.channels, self.stride)

    def _has_shape_of(self, other: "Layer") -> bool:
        both = isinstance(other, Layer)
        return both and (self.channels, self.stride) == (other.channels, other.stride)

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> "Layer":
        recorders: dict[Any, Callable[..., Layer]] = {
            F.pad: _pad, F.conv2d: _conv2d, F.instance_norm: _instance_norm, F.relu: _relu,
            F.interpolate: _interpolate, add_noise: _add_noise, torch.cat: _cat,
        }  # fmt: skip
        _require(function in recorders, f"{function}")
        return recorders[function](*args, **(kwargs or {}))

    def multiply_adds(self) -> float:
        """Multiply-adds per picture pixel; non-convolutions count 1 per channel."""
        each = self.settings["weight"][0].numel() if self.kind == "conv" else 1
        return self.channels * each / self.stride**2

    def rows_needed(self, low: int, high: int) -> tuple[int, int]:
        """First input row, and the one after the last, that output rows low to high - 1 need.

        They may lie outside the picture.
        """
        if self.kind == "conv":
            step, padding, kernel = (self.settings[k] for k in ("step", "padding", "kernel"))
            return low * step - padding, (high - 1) * step - padding + kernel
        if self.kind == "upsample":
            factor = self.settings["factor"]
            return low // factor - 1, -(-high // factor) + 1
        return low, high


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise NotImplementedError(f"{what} cannot be read as layers")


# One recorder for each function that networks call, with that function's arguments.


def _pad(x: Layer, amounts: Sequence[int], mode: str = "constant", value: Any = None) -> Layer:
    _require(
        mode == "reflect" and len(set(amounts)) == 1,
        "padding other than an equal reflection on all sides",
    )
    return x._record("pad", padding=amounts[0])


def _conv2d(
    x: Layer,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Layer:
    kernel = weight.shape[2]
    mirrored = x.kind == "pad"
    before = x.inputs[0] if mirrored else x
    around = [x.settings["padding"], *padding] if mirrored else list(padding)
    same_size = around == ([kernel // 2, 0, 0] if mirrored else [kernel // 2] * 2)
    square = weight.shape[3] == kernel and kernel % 2 == 1 and stride[0] == stride[1]
    plain = set(dilation) == {groups} == {1}
    _require(same_size and square and plain, "a grouped, dilated, oblong or unevenly padded conv2d")
    settings = {
        "weight": weight, "bias": bias, "kernel": kernel, "step": stride[0], "mirrored": mirrored,
        "padding": around[0],
    }  # fmt: skip
    return Layer("conv", [before], weight.shape[0], before.stride * stride[0], settings)


def _instance_norm(
    x: Layer,
    running_mean: None,
    running_var: None,
    weight: Tensor | None,
    bias: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
) -> Layer:
    _require(use_input_stats, "an InstanceNorm with running statistics")
    return x._record("norm", weight=weight, bias=bias, eps=eps)


def _relu(x: Layer, inplace: bool = False) -> Layer:
    _require(not inplace, "a ReLU in place")
    return x._record("relu")


def _interpolate(
    x: Layer, size: None, scale_factor: float, mode: str, align_corners: bool, **kwargs: Any
) -> Layer:
    whole = scale_factor is not None and scale_factor == int(scale_factor)
    _require(
        mode == "bilinear" and not align_corners and whole, "an interpolation other than upsample()"
    )
    _require(x.stride % int(scale_factor) == 0, "an upsampling above the picture's resolution")
    layer = x._record("upsample", factor=int(scale_factor))
    layer.stride //= int(scale_factor)
    return layer


def _add_noise(x: Layer, weight: Tensor, pattern: Tensor, shift: Sequence[int]) -> Layer:
    return x._record("noise", weight=weight, pattern=pattern)


def _cat(layers: Sequence[Layer], dim: int) -> Layer:
    same = len({layer.stride for layer in layers}) == 1
    _require(dim == 1 and same, "a concatenation of anything but channels")
    return Layer("cat", list(layers), sum(x.channels for x in layers), layers[0].stride)


def read_layers(generator: Generator) -> list[Layer]:
    """The layers of a generator's network, each after its inputs, from picture to output.

    The generator must be in eval mode.

    Raises:
        NotImplementedError: the network calls a function that has no recorder here.
    """
    order: dict[Layer, None] = {}

    def visit(layer: Layer) -> None:
        if layer not in order:
            for before in layer.inputs:
                visit(before)
            order[layer] = None

    output: Any = generator.network(Layer("picture", [], 3, 1))  # type: ignore[arg-type]
    visit(output)
    _require(all(x.kind != "pad" for x in order), "padding without a convolution after it")
    return list(order)

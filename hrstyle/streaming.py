"""A picture of any size through a generator, in bounded memory and exactly.

InstanceNorm needs mean and variance over the whole picture, so a picture cannot simply be cut into
tiles: statistics of a tile, or of a thumbnail (URST, Wang et al., AAAI 2022), give another result.
Here they are exact. The generator is walked norm by norm: a *sweep* runs down the picture in bands
of rows and measures the input of those norms whose predecessors are all measured already; the last
sweep paints. A measured norm is one multiply-add a channel, folded into the convolution before it.

- Within a sweep no row is computed twice: every layer keeps the few rows that the next band needs
  again (its line buffer), so a band is as wide as the picture and needs no halo.
- Between sweeps, tensors that later sweeps start from are kept, coarse ones first, as far as the
  memory budget goes. What is not kept is computed again, if need be from the picture.

The layers are read off the generator by torch.fx, so there is one description of each network.
"""

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from hrstyle.generator import Generator, pad_to_multiple

Read = Callable[[Tensor, Tensor], Tensor]
Write = Callable[[int, Tensor], None]
Progress = Callable[[float], None]

BAND_PIXELS = 2**17
"""Picture pixels in a band: few enough for a CPU's caches, enough to hide the cost of a call."""


class _Network(nn.Module):
    """`Generator.network` as a module of its own, which torch.fx can trace."""

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        return self.generator.network(x)


@dataclass(eq=False)
class Layer:
    """One operation of the network.

    Args:
        kind: `"picture"`, `"conv"`, `"norm"`, `"relu"`, `"add"`, `"cat"` or `"upsample"`.
        inputs: the layers it reads.
        channels: of its output.
        stride: one row of its output covers `stride` rows of the picture.
        module: the convolution or norm.
        factor: of an upsampling.
    """

    kind: str
    inputs: "list[Layer]"
    channels: int
    stride: int
    module: Any = None
    factor: int = 1
    users: "list[Layer]" = field(default_factory=list)

    @property
    def cost(self) -> float:
        """Multiply-adds for a pixel of the picture, counting other layers as one a channel."""
        macs = self.module.weight[0].numel() if self.kind == "conv" else 1
        return self.channels * macs / self.stride**2

    def rows_needed(self, low: int, high: int, height: int) -> tuple[int, int]:
        """Which rows of its inputs, `height` in all, give the output rows from low up to high."""
        if self.kind == "conv":
            kernel, stride, padding = (
                values[0]
                for values in (self.module.kernel_size, self.module.stride, self.module.padding)
            )
            low, high = low * stride - padding, (high - 1) * stride - padding + kernel
        elif self.kind == "upsample":
            low, high = low // self.factor - 1, -(-high // self.factor) + 1
        return max(low, 0), min(high, height)


def read_layers(generator: Generator) -> list[Layer]:
    """The layers of a generator's network in the order of computation; the last is its output.

    Raises:
        NotImplementedError: the network uses an operation that cannot be streamed.
    """
    graph = fx.symbolic_trace(_Network(generator))
    modules = dict(graph.named_modules())
    layers: dict[fx.Node, Layer] = {}
    for node in graph.graph.nodes:
        if node.op == "output":
            break
        module = modules[node.target] if node.op == "call_module" else None
        inputs = [layers[n] for n in node.all_input_nodes]
        if isinstance(module, nn.Identity):
            layers[node] = inputs[0]
            continue
        layer = Layer("picture", inputs, 3, 1, module)
        if inputs:
            layer.channels, layer.stride = inputs[0].channels, inputs[0].stride
        if isinstance(module, nn.Conv2d) and module.groups == 1:
            layer.kind, layer.channels = "conv", module.out_channels
            layer.stride *= int(module.stride[0])
        elif isinstance(module, nn.InstanceNorm2d):
            layer.kind = "norm"
        elif isinstance(module, nn.ReLU) or node.target is F.relu:
            layer.kind = "relu"
        elif node.target is operator.add:
            layer.kind = "add"
        elif node.target is torch.cat:
            layer.kind, layer.channels = "cat", sum(i.channels for i in inputs)
        elif node.target is F.interpolate:
            layer.kind, layer.factor = "upsample", int(node.kwargs["scale_factor"])
            layer.stride //= layer.factor
        elif node.op != "placeholder":
            raise NotImplementedError(f"{node.format_node()} cannot be streamed")
        for before in inputs:
            before.users.append(layer)
        layers[node] = layer
    return list(dict.fromkeys(layers.values()))


class Rows:
    """Consecutive rows of a tensor `(N, C, H, W)`, kept in pieces: grows below, shrinks above."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, Tensor]] = []
        self.end = 0

    def append(self, start: int, piece: Tensor) -> None:
        self.pieces.append((start, piece))
        self.end = start + piece.shape[2]

    def drop_before(self, row: int) -> None:
        self.pieces = [(s, piece) for s, piece in self.pieces if s + piece.shape[2] > row]

    def take(self, low: int, high: int) -> list[Tensor]:
        """Views that together hold the rows from low up to high."""
        return [
            piece[:, :, max(low - s, 0) : high - s]
            for s, piece in self.pieces
            if s < high and s + piece.shape[2] > low
        ]


def _pad(pieces: list[Tensor], above: int, below: int, sides: int, mode: str) -> Tensor:
    """The rows of `pieces` in one tensor with a border of zeros, or mirrored, around them."""
    batch, channels, _, width = pieces[0].shape
    height = sum(piece.shape[2] for piece in pieces)
    if not (above or below or sides):
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=2)
    shape = (batch, channels, above + height + below, width + 2 * sides)
    make = torch.empty if mode == "reflect" else torch.zeros
    out = make(shape, dtype=pieces[0].dtype, device=pieces[0].device)
    row = above
    for piece in pieces:
        out[:, :, row : row + piece.shape[2], sides : sides + width] = piece
        row += piece.shape[2]
    if mode == "reflect":  # rows first: the corners are mirrored twice
        for k in range(1, above + 1):
            out[:, :, above - k] = out[:, :, above + k]
        last = above + height - 1
        for k in range(1, below + 1):
            out[:, :, last + k] = out[:, :, last - k]
        for k in range(1, sides + 1):
            out[..., sides - k] = out[..., sides + k]
            out[..., sides + width - 1 + k] = out[..., sides + width - 1 - k]
    return out


class Moments:
    """Mean and variance of every channel of every picture, merged band by band (Chan et al. 1979).

    Each band is centred on its own mean before it is squared, so that nothing cancels.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: Tensor | float = 0.0
        self.squares: Tensor | float = 0.0

    def update(self, values: Tensor) -> None:
        """Add `(N, C, rows, W)`."""
        values = values.float()
        count = values.shape[2] * values.shape[3]
        mean = values.mean((2, 3), keepdim=True)
        squares = torch.linalg.vector_norm(values - mean, dim=(2, 3), keepdim=True).to(_WIDE(mean))
        mean = mean.to(_WIDE(mean))
        delta = mean - self.mean
        total = self.count + count
        self.mean = self.mean + delta * (count / total)
        self.squares = (
            self.squares + squares.square() + delta.square() * (self.count * count / total)
        )
        self.count = total

    def scale_and_shift(self, norm: nn.InstanceNorm2d) -> tuple[Tensor, Tensor]:
        """What the norm does to a value: value * scale + shift; `(N, C, 1, 1)` each."""
        assert isinstance(self.mean, Tensor) and isinstance(self.squares, Tensor)
        scale = (self.squares / self.count + norm.eps).rsqrt()
        shift = -self.mean * scale
        if norm.affine:
            weight, bias = (p.to(scale.dtype).view(-1, 1, 1) for p in (norm.weight, norm.bias))
            scale, shift = scale * weight, shift * weight + bias
        return scale.float(), shift.float()


def _WIDE(tensor: Tensor) -> torch.dtype:  # noqa: N802
    """float64, but for Apple's MPS, which has none."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64


@dataclass
class Sweep:
    """One walk down the picture: which norms it measures, and what it keeps for later ones."""

    norms: list[Layer]
    keep: list[Layer]
    layers: list[Layer]

    @property
    def targets(self) -> list[Layer]:
        """The layers whose every row the sweep must compute."""
        return list(dict.fromkeys([norm.inputs[0] for norm in self.norms] + self.keep))


def _ancestors(targets: Iterable[Layer], kept: Iterable[Layer]) -> set[Layer]:
    """All layers to compute for `targets`, down to the kept ones or the picture, and these too."""
    stop, seen, stack = set(kept), set(), list(targets)
    while stack:
        layer = stack.pop()
        if layer not in seen:
            seen.add(layer)
            if layer not in stop:
                stack += layer.inputs
    return seen


def plan(layers: Sequence[Layer], pixels: int, budget: float, itemsize: int) -> list[Sweep]:
    """The sweeps that measure every norm and then paint.

    Args:
        layers: as `read_layers` gives them.
        pixels: of the padded picture, times the number of pictures.
        budget: bytes that kept tensors may fill between sweeps.
        itemsize: bytes of a value.
    """

    def size(layer: Layer) -> float:
        return layer.channels * pixels / layer.stride**2 * itemsize

    norms = [layer for layer in layers if layer.kind == "norm"]
    sweeps: list[Sweep] = []
    kept: list[Layer] = []
    fixed: set[Layer] = set()
    while True:
        todo = [norm for norm in norms if norm not in fixed]
        ready = [n for n in todo if not (_ancestors(n.inputs, ()) & set(todo))]
        later = [n.inputs[0] for n in todo if n not in ready] + [layers[-1]]
        # What the next sweeps start from: layers that are known now, read by ones that are not.
        blocked = {layer for layer in layers if _ancestors([layer], ()) & set(todo)}
        border = [
            layer
            for layer in layers
            if layer not in blocked and layer.inputs and any(u in blocked for u in layer.users)
        ]
        before, kept = kept, _choose(border, kept, later, size, budget) if todo else []
        targets = [n.inputs[0] for n in ready] + kept if todo else [layers[-1]]
        wanted = _ancestors(targets, before)
        sweeps.append(Sweep(ready, kept, [layer for layer in layers if layer in wanted]))
        if not todo:
            return sweeps
        fixed.update(ready)


def _choose(
    border: list[Layer],
    kept: list[Layer],
    later: list[Layer],
    size: Callable[[Layer], float],
    budget: float,
) -> list[Layer]:
    """Which of `border` and of what was kept so far to keep, coarse layers first.

    A coarse layer holds the most work in the fewest bytes.
    """
    candidates = list(dict.fromkeys(border + kept))
    candidates.sort(key=lambda layer: -layer.stride)  # stable: the border comes first
    while True:
        chosen: list[Layer] = []
        free = budget
        for layer in candidates:
            if size(layer) <= free and layer in _ancestors(later, chosen):
                chosen.append(layer)
                free -= size(layer)
        used = [layer for layer in chosen if layer in _ancestors(later, chosen)]
        if used == chosen:
            return chosen
        candidates = [layer for layer in candidates if layer in used or layer not in chosen]


class Stream:
    """Runs a generator's sweeps over one picture, or several of the same size.

    Args:
        generator: in eval mode, on the device and in the dtype to compute with.
        shape: `(N, height, width)` of the pictures.
        max_memory: bytes that the pass may take beyond the picture itself. Below what the bands
            and line buffers need it is exceeded.
        band_pixels: picture pixels in a band.
    """

    def __init__(
        self,
        generator: Generator,
        shape: tuple[int, int, int],
        *,
        max_memory: float,
        band_pixels: int = BAND_PIXELS,
    ):
        self.generator = generator
        self.dtype = next(generator.parameters()).dtype
        batch, self.height, self.width = shape
        # Which row and column of the picture stands at each place of the padded one.
        self.rows = self._padded_index(self.height)
        self.columns = self._padded_index(self.width)
        stride = generator.stride
        band = band_pixels // (batch * len(self.columns)) // stride * stride
        self.band = min(max(stride, band), len(self.rows))
        self.layers = read_layers(generator)
        pixels = batch * len(self.rows) * len(self.columns)
        itemsize = self.dtype.itemsize
        # Line buffers: a band and about four rows more of every layer; norms and ReLUs have none.
        self.working = sum(
            layer.channels * batch * len(self.columns) * (self.band + 4 * layer.stride)
            / layer.stride**2 * itemsize
            for layer in self.layers if layer.kind not in ("norm", "relu")
        )  # fmt: skip
        self.sweeps = plan(self.layers, pixels, max_memory - self.working, itemsize)
        self.stats: dict[Layer, tuple[Tensor, Tensor]] = {}
        self.buffers: dict[Layer, Rows] = {}

    def _padded_index(self, size: int) -> Tensor:
        index = torch.arange(size, dtype=torch.float64).view(1, 1, 1, size)
        return pad_to_multiple(index, self.generator.stride)[0, 0, 0].long()

    @torch.no_grad()
    def run(self, read: Read, write: Write, progress: Progress | None = None) -> None:
        """Paint.

        Args:
            read: gives the rows and columns asked for of the pictures, `(N, 3, rows, columns)`
                in [0, 1], on the generator's device.
            write: takes the first row's number and painted rows `(N, 3, rows, width)`, not clamped.
                Rows that were written are never read again.
            progress: is told the share of the work that each step did; the shares sum to 1.
        """
        costs = [sum(layer.cost for layer in sweep.layers) for sweep in self.sweeps]
        ends = [*range(self.band, len(self.rows), self.band), len(self.rows)]
        for sweep, cost in zip(self.sweeps, costs, strict=True):
            for band in self._sweep(sweep, ends, read):
                if band is not None:
                    write(*band)
                if progress:
                    progress(cost / sum(costs) / len(ends))

    def _sweep(
        self, sweep: Sweep, ends: list[int], read: Read
    ) -> Iterator[tuple[int, Tensor] | None]:
        last = sweep is self.sweeps[-1]
        targets = [self.layers[-1]] if last else sweep.targets
        walk = _Walk(self, sweep, targets, read)
        moments = {norm: Moments() for norm in sweep.norms}
        start = 0
        for end in ends:
            made = walk.advance(start, end)
            for norm in sweep.norms:
                moments[norm].update(made[norm.inputs[0]])
            yield (start, self._picture(made[targets[0]], start)) if last else None
            start = end
        for norm, measured in moments.items():
            self.stats[norm] = measured.scale_and_shift(norm.module)
        self.buffers = {layer: walk.buffers[layer] for layer in sweep.keep}

    def _picture(self, rows: Tensor, start: int) -> Tensor:
        visible = rows[:, :, : self.height - start, : self.width].float()
        return visible * self.generator.std.float() + self.generator.mean.float()


class _Walk:
    """The bands of one sweep, from top to bottom."""

    def __init__(self, stream: Stream, sweep: Sweep, targets: list[Layer], read: Read):
        self.stream = stream
        self.read = read
        self.targets = targets
        self.keep = set(sweep.keep)
        self.done = set(stream.buffers)  # complete since an earlier sweep
        self.layers = sweep.layers
        self.buffers: dict[Layer, Rows] = {
            layer: stream.buffers.get(layer) or Rows() for layer in self.layers
        }
        # A layer that only the next one reads, row by row, needs no buffer: it is computed within
        # that one, and can be changed in place.
        wanted = set(self.layers)
        self.inline = {
            layer
            for layer in self.layers
            if layer.kind != "picture"
            and layer not in self.done
            and layer not in targets
            and len(users := [u for u in layer.users if u in wanted and u not in self.done]) == 1
            and users[0].kind in ("norm", "relu", "add")
            and users[0].inputs.count(layer) == 1
        }
        self.folded: dict[Layer, tuple[Tensor, Tensor | None]] = {}

    def advance(self, start: int, end: int) -> dict[Layer, Tensor]:
        """Compute the next band; gives the new rows of every target."""
        needs: dict[Layer, tuple[int, int]] = {}

        def need(layer: Layer, low: int, high: int) -> None:
            if layer in self.inline:
                self._inputs_needed(layer, low, high, need)
            else:
                old = needs.get(layer, (low, high))
                needs[layer] = (min(low, old[0]), max(high, old[1]))

        for layer in self.targets:
            need(layer, start // layer.stride, end // layer.stride)
        for layer in reversed(self.layers):
            if layer in needs and layer not in self.done:
                low, high = needs[layer]
                low = max(low, self.buffers[layer].end)
                if low < high:
                    self._inputs_needed(layer, low, high, need)
        made = {}
        for layer in self.layers:
            if layer not in needs:
                continue
            low, high = needs[layer]
            buffer = self.buffers[layer]
            if layer not in self.done:
                fresh = max(low, buffer.end)
                if fresh < high:
                    buffer.append(fresh, self._compute(layer, fresh, high))
            if layer in self.targets:
                rows = (start // layer.stride, end // layer.stride)
                made[layer] = _pad(buffer.take(*rows), 0, 0, 0, "")
        for layer, (low, _) in needs.items():
            if layer not in self.keep:
                self.buffers[layer].drop_before(low)
        return made

    def _inputs_needed(
        self, layer: Layer, low: int, high: int, need: Callable[[Layer, int, int], None]
    ) -> None:
        for before in layer.inputs:
            need(before, *layer.rows_needed(low, high, self._height(before)))

    def _height(self, layer: Layer) -> int:
        return len(self.stream.rows) // layer.stride

    def _value(self, layer: Layer, low: int, high: int) -> tuple[Tensor, bool]:
        """Rows of a layer, and whether they may be changed in place."""
        if layer in self.inline:
            return self._compute(layer, low, high), True
        pieces = self.buffers[layer].take(low, high)
        return _pad(pieces, 0, 0, 0, ""), len(pieces) > 1

    def _compute(self, layer: Layer, low: int, high: int) -> Tensor:
        """New rows of a layer, in memory of their own."""
        if layer.kind == "picture":
            return self._read(low, high)
        if layer.kind == "conv":
            return self._convolve(layer, low, high, layer.module.weight, layer.module.bias)
        if layer.kind == "norm":
            return self._normalise(layer, low, high)
        if layer.kind == "upsample":
            return self._upsample(layer, low, high)
        values = [self._value(before, low, high) for before in layer.inputs]
        if layer.kind == "relu":
            x, own = values[0]
            return x.relu_() if own else x.relu()
        if layer.kind == "cat":
            return torch.cat([x for x, _ in values], dim=1)
        (x, own), (y, other_own) = values
        return x.add_(y) if own else y.add_(x) if other_own else x + y

    def _read(self, low: int, high: int) -> Tensor:
        generator = self.stream.generator
        picture = self.read(self.stream.rows[low:high], self.stream.columns)
        picture = picture.to(self.stream.dtype)
        return (picture - generator.mean) / generator.std

    def _convolve(
        self, layer: Layer, low: int, high: int, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        conv, before = layer.module, layer.inputs[0]
        first = low * conv.stride[0] - conv.padding[0]
        last = (high - 1) * conv.stride[0] - conv.padding[0] + conv.kernel_size[0]
        height = self._height(before)
        if before in self.inline:
            pieces = [self._compute(before, max(first, 0), min(last, height))]
        else:
            pieces = self.buffers[before].take(max(first, 0), min(last, height))
        x = _pad(
            pieces, max(-first, 0), max(last - height, 0), conv.padding[1], conv.padding_mode
        )
        return F.conv2d(x, weight, bias, conv.stride)

    def _normalise(self, norm: Layer, low: int, high: int) -> Tensor:
        scale, shift = self.stream.stats[norm]
        before = norm.inputs[0]
        if before in self.inline and before.kind == "conv" and scale.shape[0] == 1:
            if norm not in self.folded:
                self.folded[norm] = _fold(before.module, scale, shift)
            return self._convolve(before, low, high, *self.folded[norm])
        x, own = self._value(before, low, high)
        scale, shift = scale.to(x.dtype), shift.to(x.dtype)
        return x.mul_(scale).add_(shift) if own else (x * scale).add_(shift)

    def _upsample(self, layer: Layer, low: int, high: int) -> Tensor:
        before, factor = layer.inputs[0], layer.factor
        first, last = layer.rows_needed(low, high, self._height(before))
        x, _ = self._value(before, first, last)
        fine = F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
        return fine[:, :, low - first * factor : high - first * factor]


def _fold(conv: nn.Conv2d, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution followed by a norm with known statistics, batch size 1."""
    weight = conv.weight.float() * scale.view(-1, 1, 1, 1)
    bias = shift.flatten()
    if conv.bias is not None:
        bias = bias + conv.bias.float() * scale.flatten()
    return weight.to(conv.weight.dtype), bias.to(conv.weight.dtype)

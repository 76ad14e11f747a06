"""A picture of any size through a generator, in bounded memory and exactly.

InstanceNorm needs mean and variance over the whole picture, so a picture cannot simply be cut into
tiles: statistics of a tile, or of a thumbnail (URST, Wang et al., AAAI 2022), give another result.
Here they are exact: a sweep runs down the picture in bands of rows and measures the norms whose
predecessors are known, then the next one, and the last sweep paints (`sweeps`). A measured norm is
one multiply-add a channel, folded into the convolution before it.

Within a sweep no row is computed twice: every layer keeps the few rows that the next band needs
again (its line buffer), so a band is as wide as the picture and needs no halo.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from hrstyle.engine.layers import Layer
from hrstyle.engine.moments import Moments, fold
from hrstyle.engine.row_buffers import RowBuffer, join, join_padded, memory_format
from hrstyle.engine.sweeps import Sweep, plan, total_multiply_adds
from hrstyle.generator.base import Generator, noise_rows, pad_to_multiple

KEPT_SHARE = 0.8
"""Of the memory for a pass, what is kept between sweeps; the rest is for the bands."""

IN_PLACE = ("norm", "noise", "relu")
ROW_BY_ROW = (*IN_PLACE, "add", "cat")

Read = Callable[[Tensor, Tensor], Tensor]
Write = Callable[[int, Tensor], None]
Progress = Callable[[float], None]

BAND_PIXELS = 2**19
"""Picture pixels in a band: few enough for memory to be used again from band to band (the C library
gives blocks of over 32 MB back to the system at once), enough to hide the cost of a call."""


def _line_buffers(layers: Iterable[Layer]) -> tuple[float, float]:
    """Values that layers hold for a column of the picture: in any case, and for each row of a band.

    A layer that works in place has no buffer; the others keep a band and some three rows more.
    """
    buffered = [layer for layer in layers if layer.kind not in IN_PLACE]
    fixed = sum(3 * layer.channels / layer.stride for layer in buffered)
    return fixed, sum(layer.channels / layer.stride**2 for layer in buffered)


class Stream:
    """Runs a generator's sweeps over one picture, or several of the same size.

    Args:
        generator: on the device and in the dtype to compute with.
        layers: `read_layers(generator)`.
        shape: `(N, height, width)` of the pictures.
        max_memory: bytes that the pass may take beyond the pictures themselves. What the lowest
            bands and their line buffers need is taken in any case.
        band_pixels: picture pixels in a band, unless `max_memory` asks for fewer.
    """

    def __init__(
        self,
        generator: Generator,
        layers: Sequence[Layer],
        shape: tuple[int, int, int],
        *,
        max_memory: float,
        band_pixels: int = BAND_PIXELS,
    ):
        self.generator = generator
        self.dtype = generator.dtype
        self.layers = layers
        batch, self.height, self.width = shape
        # Which row and column of the picture stands at each place of the padded one.
        self.rows, self.columns = self._padded(self.height), self._padded(self.width)
        row = batch * len(self.columns) * self.dtype.itemsize
        stride, (fixed, each) = generator.stride, _line_buffers(layers)
        lowest = row * (fixed + stride * each)
        pixels = batch * len(self.rows) * len(self.columns)
        kept = max(0.0, min(KEPT_SHARE * max_memory, max_memory - lowest))
        self.kept_dtype = self.dtype
        self.sweeps = plan(layers, pixels=pixels, budget=kept, itemsize=self.dtype.itemsize)
        once = sum(layer.multiply_adds() for layer in layers)
        if total_multiply_adds(self.sweeps) > 1.5 * once and self.dtype.itemsize > 2:
            # Memory is so short that much would be computed twice. float16 takes half of it; its 11
            # bits moved values of the bundled style by 1.5/255 at most (scripts/README.md).
            self.kept_dtype = torch.float16
            self.sweeps = plan(layers, pixels=pixels, budget=kept, itemsize=2)
        made = [[x for x in sweep.layers if x not in sweep.known] for sweep in self.sweeps]
        fixed, each = (max(values) for values in zip(*map(_line_buffers, made), strict=True))
        band = (max_memory - kept - fixed * row) / (each * row)
        band = min(band, band_pixels * self.dtype.itemsize / row)
        self.band = min(max(stride, int(band) // stride * stride), len(self.rows))
        self.stats: dict[Layer, tuple[Tensor, Tensor]] = {}
        self.buffers: dict[Layer, RowBuffer] = {}

    def _padded(self, size: int) -> Tensor:
        index = torch.arange(size, dtype=torch.float64, device="cpu").view(1, 1, 1, size)
        return pad_to_multiple(index, self.generator.stride)[0, 0, 0].long()

    @torch.no_grad()
    def run(self, read: Read, write: Write, progress: Progress | None = None) -> None:
        """Paint.

        Args:
            read: gives the rows and columns asked for of the pictures, `(N, 3, rows, columns)`
                in [0, 1], on the generator's device.
            write: takes a row's number and the painted rows `(N, 3, rows, width)` from there on,
                not clamped. Rows that were written are not read again, so the painting may take
                the picture's place.
            progress: is told the share of the work done since the last time.
        """
        # The last band holds all rows that the padding below mirrors, so that what `write` has
        # changed is not read.
        total = len(self.rows)
        ends = [*range(self.band, total - 2 * self.generator.stride + 1, self.band), total]
        work = total_multiply_adds(self.sweeps) * len(ends)
        for sweep in self.sweeps:
            share = sweep.multiply_adds / work
            for start, made in self._bands(sweep, ends, read):
                if sweep is self.sweeps[-1]:
                    self._write(write, start, made[self.layers[-1]])
                if progress:
                    progress(share)

    def _bands(
        self, sweep: Sweep, ends: Sequence[int], read: Read
    ) -> Iterator[tuple[int, dict[Layer, Tensor]]]:
        walk = _RunningSweep(self, sweep, read)
        moments = {norm: Moments() for norm in sweep.norms}
        start = 0
        for end in ends:
            made = walk.advance(start, end)
            for norm, measured in moments.items():
                if norm.inputs[0] in made:  # a deep layer beside it may have needed its rows before
                    measured.update(made[norm.inputs[0]])
            yield start, made
            start = end
        self.stats |= {norm: moments[norm].scale_and_shift(norm) for norm in moments}
        self.buffers = {layer: walk.buffers[layer] for layer in sweep.keep}

    def _write(self, write: Write, start: int, values: Tensor) -> None:
        if start < self.height:  # the rest is padding
            write(start, self.generator.decode(values[:, :, : self.height - start, : self.width]))


class _RunningSweep:
    """The bands of one sweep, from top to bottom."""

    def __init__(self, stream: Stream, sweep: Sweep, read: Read):
        self.stream = stream
        self.read = read
        self.targets, self.layers, self.keep = sweep.targets, sweep.layers, set(sweep.keep)
        self.done = set(sweep.known)  # complete since an earlier sweep
        self.buffers = stream.buffers | {
            layer: RowBuffer(self._height(layer), stream.kept_dtype)
            if layer in self.keep
            else RowBuffer()
            for layer in self.layers
            if layer not in self.done
        }
        readers: dict[Layer, list[Layer]] = {layer: [] for layer in self.layers}
        for layer in self.layers:
            for before in layer.inputs if layer not in self.done else []:
                readers[before].append(layer)
        # What a single layer reads, row by row, needs no buffer: it is computed within that layer
        # and may be changed in place.
        self.inline = {
            layer
            for layer in self.layers
            if layer.inputs
            and layer not in self.done
            and layer not in self.targets
            and [reader.kind in ROW_BY_ROW for reader in readers[layer]] == [True]
        }
        self.folded: dict[Layer, tuple[Tensor, Tensor]] = {}

    def advance(self, start: int, end: int) -> dict[Layer, Tensor]:
        """Compute the next band of the picture; gives the new rows of each target."""
        needs: dict[Layer, tuple[int, int]] = {}
        for layer in self.targets:
            self._need(needs, layer, start // layer.stride, end // layer.stride)
        for layer in reversed(self.layers):
            if layer in needs and layer not in self.done:
                low, high = max(needs[layer][0], self.buffers[layer].end), needs[layer][1]
                if low < high:
                    self._need_inputs(needs, layer, low, high)
        made = {}
        for layer in self.layers:
            if layer not in needs:
                continue
            buffer = self.buffers[layer]
            low, high = max(needs[layer][0], buffer.end), needs[layer][1]
            if low < high and layer not in self.done:
                rows = self._compute(layer, low, high)
                if layer in self.targets:
                    made[layer] = rows
                buffer.append(low, rows)
        for layer, (low, _) in needs.items():
            if layer not in self.keep:
                self.buffers[layer].drop_before(low)
        return made

    def _need(self, needs: dict[Layer, tuple[int, int]], layer: Layer, low: int, high: int) -> None:
        """Note that rows of a layer are needed."""
        low, high = max(low, 0), min(high, self._height(layer))
        if layer in self.inline:
            self._need_inputs(needs, layer, low, high)
        else:
            old = needs.get(layer, (low, high))
            needs[layer] = (min(low, old[0]), max(high, old[1]))

    def _need_inputs(
        self, needs: dict[Layer, tuple[int, int]], layer: Layer, low: int, high: int
    ) -> None:
        for before in layer.inputs:
            self._need(needs, before, *layer.rows_needed(low, high))

    def _height(self, layer: Layer) -> int:
        return len(self.stream.rows) // layer.stride

    def _rows(self, layer: Layer, low: int, high: int) -> list[Tensor]:
        if layer in self.inline:
            return [self._compute(layer, low, high)]
        return self.buffers[layer].take(low, high)

    def _value(self, layer: Layer, low: int, high: int) -> tuple[Tensor, bool]:
        """RowBuffer of a layer, and whether they may be changed in place."""
        rows, own = join(self._rows(layer, low, high), self.stream.dtype)
        return rows, own or layer in self.inline

    def _compute(self, layer: Layer, low: int, high: int) -> Tensor:
        """New rows of a layer, in memory of their own."""
        settings = layer.settings
        if layer.kind == "picture":
            stream = self.stream
            rows = stream.generator.encode(self.read(stream.rows[low:high], stream.columns))
            return rows.contiguous(memory_format=memory_format(rows.device))
        if layer.kind == "conv":
            return self._convolve(layer, low, high, settings["weight"], settings["bias"])
        if layer.kind == "norm":
            return self._normalise(layer, low, high)
        if layer.kind == "upsample":
            return self._upsample(layer, low, high)
        values = [self._value(before, low, high) for before in layer.inputs]
        if layer.kind == "cat":
            return torch.cat([x for x, _ in values], dim=1)
        x, own = values[0]
        if layer.kind == "relu":
            return x.relu_() if own else x.relu()
        if layer.kind == "noise":
            noise = noise_rows(settings["pattern"], low, high, x.shape[3])
            return torch.addcmul(x, settings["weight"], noise, out=x if own else None)
        y, own_y = values[1]
        return x.add_(y) if own else y.add_(x) if own_y else x + y

    def _convolve(
        self, layer: Layer, low: int, high: int, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        settings, before = layer.settings, layer.inputs[0]
        first, last = layer.rows_needed(low, high)
        height, sides = self._height(before), settings["padding"]
        pieces = self._rows(before, max(first, 0), min(last, height))
        if sides:
            x = join_padded(
                pieces, self.stream.dtype, above=max(-first, 0), below=max(last - height, 0),
                sides=sides, mirrored=settings["mirrored"],
            )  # fmt: skip
        else:
            x, _ = join(pieces, self.stream.dtype)
        return F.conv2d(x, weight, bias, settings["step"])

    def _normalise(self, norm: Layer, low: int, high: int) -> Tensor:
        scale, shift = self.stream.stats[norm]
        before = norm.inputs[0]
        if before in self.inline and before.kind == "conv" and len(scale) == 1:
            if norm not in self.folded:
                self.folded[norm] = fold(before, scale, shift)
            return self._convolve(before, low, high, *self.folded[norm])
        x, own = self._value(before, low, high)
        scale, shift = scale.to(x.dtype), shift.to(x.dtype)
        return torch.addcmul(shift, x, scale, out=x if own else None)

    def _upsample(self, layer: Layer, low: int, high: int) -> Tensor:
        before, factor = layer.inputs[0], layer.settings["factor"]
        first, last = layer.rows_needed(low, high)
        first = max(first, 0)
        x, _ = self._value(before, first, min(last, self._height(before)))
        fine = F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
        return fine[:, :, low - first * factor : high - first * factor]

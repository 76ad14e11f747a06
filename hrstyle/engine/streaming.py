"""`Stream`: a generator's pass over a picture of any size, exact and in bounded memory.

InstanceNorm needs mean and variance over the whole picture. So a picture cannot simply be cut into
tiles: statistics of a tile, or of a thumbnail (URST, Wang et al., AAAI 2022), give another result.
Here the statistics are exact. Each sweep goes down the picture in bands of rows and measures the
norms whose predecessors are known; the last sweep paints (`sweeps` plans them). A measured norm is
one multiply-add per channel, which is folded into the convolution before it.

Within a sweep no row is computed twice: every layer holds the few rows that the next band needs
again, its line buffer. So a band is as wide as the picture and needs no overlap.
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

STORED_SHARE = 0.8
"""Share of the memory for layers that are stored between sweeps; the rest is for the bands."""

IN_PLACE = ("norm", "noise", "relu")
ROW_BY_ROW = (*IN_PLACE, "add", "cat")

Read = Callable[[Tensor, Tensor], Tensor]
Write = Callable[[int, Tensor], None]
Progress = Callable[[float], None]

BAND_PIXELS = 2**19
"""Picture pixels in a band: enough to hide the cost of a call, few enough that the C library reuses
memory from band to band (it returns blocks above 32 MB to the system as soon as they are freed)."""


def _line_buffers(layers: Iterable[Layer]) -> tuple[float, float]:
    """Values that line buffers hold per picture column: a fixed number, and one per row of a band.

    A layer that works in place has no buffer; the others hold a band and about three rows more.
    """
    buffered = [layer for layer in layers if layer.kind not in IN_PLACE]
    fixed = sum(3 * layer.channels / layer.stride for layer in buffered)
    return fixed, sum(layer.channels / layer.stride**2 for layer in buffered)


class Stream:
    """Runs a generator's sweeps over a batch of pictures of one size.

    Args:
        generator: in eval mode, on the device and in the dtype to compute with.
        layers: `read_layers(generator)`.
        shape: `(N, height, width)` of the pictures.
        max_memory: bytes that the pass may take beyond the pictures themselves. The smallest
            possible bands and their line buffers are allocated even if they need more.
        band_pixels: picture pixels in a band, at most; fewer if `max_memory` requires it.
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
        # For each row and column of the padded picture, its row and column in the picture.
        self.rows, self.columns = self._padded(self.height), self._padded(self.width)
        row = batch * len(self.columns) * self.dtype.itemsize
        stride, (fixed, per_row) = generator.stride, _line_buffers(layers)
        lowest = row * (fixed + stride * per_row)
        pixels = batch * len(self.rows) * len(self.columns)
        for_stored = max(0.0, min(STORED_SHARE * max_memory, max_memory - lowest))
        self.stored_dtype = self.dtype
        self.sweeps = plan(layers, pixels=pixels, budget=for_stored, itemsize=self.dtype.itemsize)
        once = sum(layer.multiply_adds() for layer in layers)
        if total_multiply_adds(self.sweeps) > 1.5 * once and self.dtype.itemsize > 2:
            # Memory is so short that much would be computed twice. float16 halves what is stored;
            # its 11 bits changed values of a bundled style by 1.5/255 at most (scripts/README.md).
            self.stored_dtype = torch.float16
            self.sweeps = plan(layers, pixels=pixels, budget=for_stored, itemsize=2)
        computed = [[x for x in sweep.layers if x not in sweep.loaded] for sweep in self.sweeps]
        fixed, per_row = (max(values) for values in zip(*map(_line_buffers, computed), strict=True))
        band = (max_memory - for_stored - fixed * row) / (per_row * row)
        band = min(band, band_pixels * self.dtype.itemsize / row)
        self.band = min(max(stride, int(band) // stride * stride), len(self.rows))
        self.stats: dict[Layer, tuple[Tensor, Tensor]] = {}
        self.buffers: dict[Layer, RowBuffer] = {}

    def _padded(self, size: int) -> Tensor:
        index = torch.arange(size, dtype=torch.float64, device="cpu").view(1, 1, 1, size)
        return pad_to_multiple(index, self.generator.stride)[0, 0, 0].long()

    @torch.no_grad()
    def run(self, read: Read, write: Write, progress: Progress | None = None) -> None:
        """Read the pictures, and write the painted ones band by band.

        Args:
            read: called with numbers of rows and columns; returns these pixels of the pictures,
                `(N, 3, rows, columns)` in [0, 1], on the generator's device.
            write: called with the number of a row and the painted rows from there on,
                `(N, 3, rows, width)`, not clamped. A written row is not read again, so the result
                may overwrite the pictures.
            progress: called with the share of the work done since the last call.
        """
        # The last band includes all rows that the padding at the bottom mirrors. So no row is read
        # after `write` has changed it.
        total = len(self.rows)
        ends = [*range(self.band, total - 2 * self.generator.stride + 1, self.band), total]
        work = total_multiply_adds(self.sweeps) * len(ends)
        for sweep in self.sweeps:
            share = sweep.multiply_adds / work
            for start, computed in self._bands(sweep, ends, read):
                if sweep is self.sweeps[-1]:
                    self._write(write, start, computed[self.layers[-1]])
                if progress:
                    progress(share)

    def _bands(
        self, sweep: Sweep, ends: Sequence[int], read: Read
    ) -> Iterator[tuple[int, dict[Layer, Tensor]]]:
        walk = _RunningSweep(self, sweep, read)
        moments = {norm: Moments() for norm in sweep.norms}
        start = 0
        for end in ends:
            computed = walk.advance(start, end)
            for norm, measured in moments.items():
                if norm.inputs[0] in computed:  # else no new rows: another layer needed them before
                    measured.update(computed[norm.inputs[0]])
            yield start, computed
            start = end
        self.stats |= {norm: moments[norm].scale_and_shift(norm) for norm in moments}
        self.buffers = {layer: walk.buffers[layer] for layer in sweep.stored}

    def _write(self, write: Write, start: int, values: Tensor) -> None:
        if start < self.height:  # the rows below are padding
            write(start, self.generator.decode(values[:, :, : self.height - start, : self.width]))


class _RunningSweep:
    """Computes the bands of one sweep, from top to bottom."""

    def __init__(self, stream: Stream, sweep: Sweep, read: Read):
        self.stream = stream
        self.read = read
        self.targets, self.layers, self.stored = sweep.targets, sweep.layers, set(sweep.stored)
        self.loaded = set(sweep.loaded)  # all rows are stored since an earlier sweep
        self.buffers = stream.buffers | {
            layer: RowBuffer(self._height(layer), stream.stored_dtype)
            if layer in self.stored
            else RowBuffer()
            for layer in self.layers
            if layer not in self.loaded
        }
        readers: dict[Layer, list[Layer]] = {layer: [] for layer in self.layers}
        for layer in self.layers:
            for source in layer.inputs if layer not in self.loaded else []:
                readers[source].append(layer)
        # A layer with one reader, which works row by row, needs no buffer. It is computed as part
        # of its reader, which may change it in place.
        self.inline = {
            layer
            for layer in self.layers
            if layer.inputs
            and layer not in self.loaded
            and layer not in self.targets
            and [reader.kind in ROW_BY_ROW for reader in readers[layer]] == [True]
        }
        self.folded: dict[Layer, tuple[Tensor, Tensor]] = {}

    def advance(self, start: int, end: int) -> dict[Layer, Tensor]:
        """Compute the band of picture rows start to end - 1; return each target's new rows."""
        needs: dict[Layer, tuple[int, int]] = {}
        for layer in self.targets:
            self._request(needs, layer, start // layer.stride, end // layer.stride)
        for layer in reversed(self.layers):
            if layer in needs and layer not in self.loaded:
                low, high = max(needs[layer][0], self.buffers[layer].end), needs[layer][1]
                if low < high:
                    self._request_inputs(needs, layer, low, high)
        computed = {}
        for layer in self.layers:
            if layer not in needs:
                continue
            buffer = self.buffers[layer]
            low, high = max(needs[layer][0], buffer.end), needs[layer][1]
            if low < high and layer not in self.loaded:
                rows = self._compute(layer, low, high)
                if layer in self.targets:
                    computed[layer] = rows
                buffer.append(low, rows)
        for layer, (low, _) in needs.items():
            if layer not in self.stored:
                self.buffers[layer].drop_before(low)
        return computed

    def _request(
        self, needs: dict[Layer, tuple[int, int]], layer: Layer, low: int, high: int
    ) -> None:
        """Add rows low to high - 1 to `needs`; for an inline layer, the rows of its inputs."""
        low, high = max(low, 0), min(high, self._height(layer))
        if layer in self.inline:
            self._request_inputs(needs, layer, low, high)
        else:
            old = needs.get(layer, (low, high))
            needs[layer] = (min(low, old[0]), max(high, old[1]))

    def _request_inputs(
        self, needs: dict[Layer, tuple[int, int]], layer: Layer, low: int, high: int
    ) -> None:
        for source in layer.inputs:
            self._request(needs, source, *layer.rows_needed(low, high))

    def _height(self, layer: Layer) -> int:
        return len(self.stream.rows) // layer.stride

    def _rows(self, layer: Layer, low: int, high: int) -> list[Tensor]:
        if layer in self.inline:
            return [self._compute(layer, low, high)]
        return self.buffers[layer].views(low, high)

    def _value(self, layer: Layer, low: int, high: int) -> tuple[Tensor, bool]:
        """Rows of a layer as one tensor, and whether it may be changed in place."""
        rows, own = join(self._rows(layer, low, high), self.stream.dtype)
        return rows, own or layer in self.inline

    def _compute(self, layer: Layer, low: int, high: int) -> Tensor:
        """Compute rows low to high - 1 of a layer, in newly allocated memory."""
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
        values = [self._value(source, low, high) for source in layer.inputs]
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
        settings, source = layer.settings, layer.inputs[0]
        first, last = layer.rows_needed(low, high)
        height, sides = self._height(source), settings["padding"]
        pieces = self._rows(source, max(first, 0), min(last, height))
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
        source = norm.inputs[0]
        if source in self.inline and source.kind == "conv" and len(scale) == 1:
            if norm not in self.folded:
                self.folded[norm] = fold(source, scale, shift)
            return self._convolve(source, low, high, *self.folded[norm])
        x, own = self._value(source, low, high)
        scale, shift = scale.to(x.dtype), shift.to(x.dtype)
        return torch.addcmul(shift, x, scale, out=x if own else None)

    def _upsample(self, layer: Layer, low: int, high: int) -> Tensor:
        source, factor = layer.inputs[0], layer.settings["factor"]
        first, last = layer.rows_needed(low, high)
        first = max(first, 0)
        x, _ = self._value(source, first, min(last, self._height(source)))
        fine = F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
        return fine[:, :, low - first * factor : high - first * factor]

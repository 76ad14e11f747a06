"""`Painter`: a generator on a device, and for each picture the way to compute it."""

from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from hrstyle.engine.devices import find_device, find_dtype
from hrstyle.engine.layers import read_layers
from hrstyle.engine.openvino import openvino_model
from hrstyle.engine.streaming import Stream
from hrstyle.engine.sweeps import memory_of_pass
from hrstyle.engine.threads import stop_spinning
from hrstyle.errors import InputError
from hrstyle.generator.base import Generator
from hrstyle.images.tensors import from_bytes, resize, size_of, to_bytes
from hrstyle.painting.enlarge import (
    DAUB_MARGIN,
    DRAW_MARGIN,
    brushed,
    contrast,
    draw_out,
    in_bands,
    run_together,
    steps,
)
from hrstyle.painting.strokes import size_to_paint

ENGINES = ("auto", "torch", "openvino")
MIDDLING = 2**16
"""Pixels above which streaming is faster than a plain pass on a CPU."""
LARGEST_ON_GPU, BAND_ON_GPU = 2**25, 2**22
"""Pixels of a picture, at most, that a GPU makes paint of, and how many of them at a time."""


class Painter:
    """A generator on a device, in a type, with the way to compute that suits a picture's size.

    Threads may share one.

    Args:
        generator: takes and gives `(N, 3, H, W)` in [0, 1]; it is moved to `device` and `dtype`,
            set to eval mode and used without gradients.
        device, dtype, engine: see `hrstyle.inference.Stylizer`.

    Raises:
        InputError: an unknown or absent device, dtype or engine, or two that do not go together.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        device: str | torch.device | None,
        dtype: str | torch.dtype,
        engine: str,
    ):
        self.dtype = find_dtype(dtype)
        name = str(self.dtype).removeprefix("torch.")
        if engine not in ENGINES:
            raise InputError(f"engine must be one of {', '.join(ENGINES)}, not {engine!r}")
        self.device = find_device("cpu" if device is None and engine == "openvino" else device)
        generator.eval().to(self.device)
        if self.device.type == "cpu":
            stop_spinning()
        if engine == "openvino" and (self.device.type != "cpu" or name == "float16"):
            raise InputError(
                f"engine='openvino' computes on the CPU in float32 or bfloat16, not in {name} on"
                f" {self.device}"
            )
        try:
            self._layers = read_layers(generator)
        except Exception as error:  # whatever a network of one's own says of a stand-in
            if engine == "openvino":
                raise InputError(f"engine='openvino' cannot run this generator: {error}") from error
            self._layers = []  # a network of another kind than ours: always the plain pass
        self._whole = self._compile(generator, name, engine)
        self.engine = "torch" if self._whole is generator else "openvino"
        self.generator = generator.to(self.dtype)
        # The recorded layers hold the weights, which may have been converted.
        self._layers = read_layers(generator) if self._layers else []
        self._fast_whole = self.device.type != "cpu" or self.engine != "torch"

    def _compile(self, generator: Generator, dtype: str, engine: str) -> Callable[[Tensor], Tensor]:
        """The generator itself, or what OpenVINO makes of it."""
        if engine == "openvino":
            try:
                return openvino_model(generator, dtype=dtype)
            except (ImportError, RuntimeError) as error:
                raise InputError(
                    f"OpenVINO does not work here ({error}); engine='torch' does without it"
                ) from error
        fits = self.device.type == "cpu" and dtype != "float16" and self._layers
        if engine == "auto" and fits and find_spec("openvino"):
            with suppress(Exception):  # installed, but broken: PyTorch will do
                return openvino_model(generator, dtype=dtype)
        return generator

    def paint(self, picture: Tensor, *, budget: float, progress: bool) -> Tensor:
        """Repaint a picture.

        Args:
            picture: `(H, W, 3)`, uint8, on the CPU, which is overwritten; or `(N, 3, H, W)`, float
                in [0, 1], on any device.
            budget: memory that the pass may take, in bytes.
            progress: show a progress bar while it is streamed.

        Returns:
            The same kind of picture, clamped.
        """
        if picture.dtype != torch.uint8:
            return self._paint_tensor(picture, budget, progress)
        self._paint_bytes(picture, budget, progress)
        return picture

    def paint_strokes(
        self, picture: Tensor, *, stroke_size: float, brush: bool, **how: Any
    ) -> Tensor:
        """`paint` with strokes of another size than trained, and as paint.

        Args:
            picture: see `paint`.
            stroke_size: times as large as trained.
            brush: make paint of it, see `hrstyle.painting.enlarge`.
            how: the other keywords of `paint`.

        Returns:
            See `paint`. The picture is overwritten at size 1 alone.
        """
        height, width = size_of(picture)
        if stroke_size != 1:
            picture = resize(picture, size_to_paint((height, width), stroke_size))
        painted = self.paint(picture, **how)
        if brush:
            end = (height, width) if stroke_size > 1 else size_of(painted)
            painted = self._brushed(painted, end)
        return painted if size_of(painted) == (height, width) else resize(painted, (height, width))

    def _brushed(self, picture: Tensor, size: tuple[int, int]) -> Tensor:
        if picture.dtype == torch.uint8:
            if not self._on_gpu or size[0] * size[1] > LARGEST_ON_GPU:
                return torch.from_numpy(brushed(picture.numpy(), size))
            return to_bytes(self._brushed(from_bytes(picture.to(self.device)), size)).cpu()
        drawn = self._over(draw_out, picture, DRAW_MARGIN)
        how: dict[str, Any] = {"dim": (-2, -1), "correction": 0, "keepdim": True}
        std, mean = torch.std_mean(picture.float(), **how)
        less, middle = torch.std_mean(drawn.float(), **how)
        picture = ((drawn - middle) * contrast(std, less) + mean).clamp(0, 1).to(picture)
        *before, end = steps(size_of(picture), size)
        for step in before or [end]:
            picture = self._over(run_together, resize(picture, step), DAUB_MARGIN)
        return resize(picture, end) if before else picture

    def _over(self, work: Callable[[Tensor], Tensor], batch: Tensor, margin: int) -> Tensor:
        result = torch.empty_like(batch)

        def read(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
            down, right = (torch.from_numpy(at).to(batch.device) for at in (rows, columns))
            return batch[:, :, down][..., right].to(self.device, torch.float32)

        def write(row: int, planes: Tensor) -> None:
            result[:, :, row : row + planes.shape[2]] = planes

        pixels = BAND_ON_GPU if self._on_gpu else None
        in_bands(work, read, write, size=size_of(batch), margin=margin, pixels=pixels)
        return result

    @property
    def _on_gpu(self) -> bool:
        # Of CUDA alone: others cannot resize with a widened filter.
        return self.device.type == "cuda"

    def _paint_bytes(self, pixels: Tensor, budget: float, progress: bool) -> None:
        height, width, _ = pixels.shape

        def read(rows: Tensor, columns: Tensor) -> Tensor:
            band = pixels[rows]
            if len(columns) != width:
                band = band[:, columns]
            return from_bytes(band.to(self.device))

        def write(row: int, painted: Tensor) -> None:
            pixels[row : row + painted.shape[2]] = to_bytes(painted).to("cpu")

        if self._should_stream(1, height, width, budget):
            self._stream((1, height, width), budget, progress, read, write)
        else:
            write(0, self._paint(from_bytes(pixels.to(self.device))))

    def _paint_tensor(self, batch: Tensor, budget: float, progress: bool) -> Tensor:
        """`(N, 3, H, W)` -> the same, clamped."""
        shape = (len(batch), batch.shape[2], batch.shape[3])
        if not self._should_stream(*shape, budget):
            painted = self._paint(batch.to(self.device, torch.float32))
            return painted.clamp(0, 1).to(batch.device, batch.dtype)
        result = torch.empty_like(batch)

        def read(rows: Tensor, columns: Tensor) -> Tensor:
            band = batch[:, :, rows.to(batch.device)][..., columns.to(batch.device)]
            return band.to(self.device, torch.float32)

        def write(row: int, painted: Tensor) -> None:
            result[:, :, row : row + painted.shape[2]] = painted.clamp(0, 1)

        self._stream(shape, budget, progress, read, write)
        return result

    @torch.inference_mode()
    def _paint(self, batch: Tensor) -> Tensor:
        return self._whole(batch)

    def _should_stream(self, batch: int, height: int, width: int, budget: float) -> bool:
        pixels = batch * height * width
        if not self._layers:
            return False
        if pixels > MIDDLING and not self._fast_whole:
            return True
        return budget < memory_of_pass(self._layers, pixels=pixels, itemsize=self.dtype.itemsize)

    def _stream(
        self,
        shape: tuple[int, int, int],
        budget: float,
        progress: bool,
        read: Callable[[Tensor, Tensor], Tensor],
        write: Callable[[int, Tensor], None],
    ) -> None:
        stream = Stream(self.generator, self._layers, shape, max_memory=budget)
        with tqdm(
            total=1.0,
            desc="painting",
            disable=not progress,
            leave=False,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed} < {remaining}",
        ) as bar:
            stream.run(read, write, bar.update)

"""`Painter`: a generator on a device. For each picture it chooses how to compute the pass."""

import copy
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
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
from hrstyle.images.tensors import floats_of, planes_of, resample, size_of, to_planes
from hrstyle.painting.enlarge import brush as brush_filter
from hrstyle.painting.strokes import size_to_paint

ENGINES = ("auto", "torch", "openvino")
STREAM_ABOVE = 2**16
"""Pixels of a picture above which, on a CPU, streaming is faster than PyTorch's plain pass."""
LARGEST_ON_GPU = 2**25
"""Pixels of the largest picture that is resized and brush-filtered on a GPU."""


class Painter:
    """A generator on a device, in a dtype; chooses the way to compute by the picture's size.

    Threads may share one. It can be copied and pickled; the copy compiles the network again.

    Args:
        generator: a network from `(N, 3, H, W)` to `(N, 3, H, W)`, in [0, 1]. It is set to eval
            mode and runs without gradients. If `device` or `dtype` differ from its own, it is
            copied.
        device, dtype, engine: see `hrstyle.inference.Stylizer`.

    Raises:
        InputError: a device, dtype or engine that is unknown or missing, or a combination that
            cannot work.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        device: str | torch.device | None,
        dtype: str | torch.dtype,
        engine: str,
    ):
        settings: dict[str, Any] = {"device": device, "dtype": dtype, "engine": engine}
        self._arguments = generator, settings
        self.dtype = find_dtype(dtype)
        name = str(self.dtype).removeprefix("torch.")
        if engine not in ENGINES:
            raise InputError(f"engine must be one of {', '.join(ENGINES)}, not {engine!r}")
        self.device = find_device("cpu" if device is None and engine == "openvino" else device)
        if self.device.type == "cpu":
            stop_spinning()
        if engine == "openvino" and (self.device.type != "cpu" or name == "float16"):
            raise InputError(
                f"engine='openvino' computes on the CPU in float32 or bfloat16, not in {name} on"
                f" {self.device}"
            )
        in_float32 = _converted(generator.eval(), self.device, torch.float32)
        try:
            self._layers = read_layers(in_float32)
        except Exception as error:  # a network from outside may raise anything here
            if engine == "openvino":
                raise InputError(f"engine='openvino' cannot run this generator: {error}") from error
            self._layers = []  # its operations are not known: always the plain pass
        compiled = self._compile(in_float32, name, engine)
        self.engine = "openvino" if compiled else "torch"
        self.generator = _converted(in_float32, self.device, self.dtype)
        self._plain_pass = compiled or self.generator
        # Recorded again, because layers hold the weights, and these may have been converted.
        self._layers = read_layers(self.generator) if self._layers else []
        self._plain_pass_is_fast = self.device.type != "cpu" or self.engine != "torch"
        self._process = os.getpid() if compiled else None  # the one with its threads

    def __reduce__(self) -> tuple[Any, ...]:
        generator, settings = self._arguments
        return partial(Painter, **settings), (generator,)

    def _compile(
        self, generator: Generator, dtype: str, engine: str
    ) -> Callable[[Tensor], Tensor] | None:
        """The generator compiled by OpenVINO, or None if PyTorch is to run it."""
        if engine == "openvino":
            try:
                return openvino_model(generator, dtype=dtype)
            except (ImportError, RuntimeError) as error:
                raise InputError(
                    f"OpenVINO does not work here ({error}); engine='torch' does without it"
                ) from error
        fits = self.device.type == "cpu" and dtype != "float16" and self._layers
        if engine == "auto" and fits and find_spec("openvino"):
            with suppress(Exception):  # installed but broken: fall back to PyTorch
                return openvino_model(generator, dtype=dtype)
        return None

    def paint(self, picture: Tensor, *, budget: float, progress: bool = False) -> Tensor:
        """The network's pass over a picture.

        Args:
            picture: `(H, W, 3)`, uint8, on the CPU, which is overwritten; or `(N, 3, H, W)`, float
                in [0, 1], on any device.
            budget: memory that the pass may take, in bytes.
            progress: show a progress bar while streaming.

        Returns:
            A picture of the same kind, clamped to [0, 1].
        """
        self._check_process()
        planes = planes_of(picture)
        result = picture if picture.dtype == torch.uint8 else torch.empty_like(picture)
        self._pass(planes, planes_of(result), budget, progress)
        return result

    def paint_strokes(
        self,
        picture: Tensor,
        *,
        size: tuple[int, int],
        stroke_size: float,
        brush: bool,
        overwrite: bool = False,
        budget: float,
        progress: bool = False,
    ) -> Tensor:
        """`paint` with a given size of result and strokes, and with the brush filter.

        Both kinds of picture are computed in float32. A uint8 picture is rounded once, at the end.

        Args:
            picture: see `paint`.
            size: height and width of the result.
            stroke_size: how many times as large as trained the strokes become.
            brush: run the brush filter, see `hrstyle.painting.enlarge`.
            overwrite: allow a uint8 picture to be overwritten, which saves memory.
            budget, progress: see `paint`.

        Returns:
            A picture of the same kind.
        """
        self._check_process()
        small = size_to_paint(size, stroke_size)
        if not brush and size_of(picture) == size == small:
            is_bytes = picture.dtype == torch.uint8
            picture = picture.clone() if is_bytes and not overwrite else picture
            return self.paint(picture, budget=budget, progress=progress)
        # CUDA only: other GPUs cannot resize with antialiasing.
        largest = max(height * width for height, width in (small, size))
        on_gpu = self.device.type == "cuda" and largest <= LARGEST_ON_GPU
        device = self.device if on_gpu else torch.device("cpu")
        source = planes_of(picture)
        planes = torch.empty((len(source), 3, *small), device=device)
        resample(source, planes)
        self._pass(planes, planes, budget, progress)
        if picture.dtype != torch.uint8:
            result = torch.empty((len(source), 3, *size), device=device)
        elif overwrite and size_of(picture) == size and not on_gpu:
            result = picture  # it was resampled, and is not read again
        else:
            result = torch.empty((*size, 3), dtype=torch.uint8, device=device)
        painted = planes_of(result)
        if brush:
            brushed = planes if stroke_size < 1 else painted
            brush_filter(_for_bands(planes), _for_bands(brushed))
            planes = brushed
        if planes is not painted:
            resample(planes, painted)
        return result.to(picture)

    def _check_process(self) -> None:
        """Raise InputError in a fork, which lacks the threads and would wait for them forever."""
        process = os.getpid()
        if self._process not in (None, process):
            raise InputError(
                "this style was in use before the process was forked; load it in each process, or"
                " start them by multiprocessing.get_context('spawn')"
            )
        self._process = process

    def _pass(self, planes: Tensor, result: Tensor, budget: float, progress: bool) -> None:
        """Paint `planes` into `result`, which may be `planes`: `(N, 3, H, W)`, uint8 or float."""
        count, _, height, width = planes.shape

        def read(rows: Tensor, columns: Tensor) -> Tensor:
            band = planes[:, :, rows.to(planes.device)]
            if len(columns) != width:
                band = band[..., columns.to(planes.device)]
            return floats_of(band.to(self.device))

        def write(row: int, painted: Tensor) -> None:
            bottom = row + painted.shape[2]
            result[:, :, row:bottom] = to_planes(painted, result.dtype).to(result.device)

        if self._should_stream(count, height, width, budget):
            self._stream((count, height, width), budget, progress, read, write)
        else:
            write(0, self._paint(floats_of(planes.to(self.device))))

    @torch.inference_mode()
    def _paint(self, batch: Tensor) -> Tensor:
        return self._plain_pass(batch)

    def _should_stream(self, batch: int, height: int, width: int, budget: float) -> bool:
        pixels = batch * height * width
        if not self._layers:
            return False
        if pixels > STREAM_ABOVE and not self._plain_pass_is_fast:
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


def _converted(generator: Generator, device: torch.device, dtype: torch.dtype) -> Generator:
    """The generator on this device in this dtype: itself if it already is, else a copy."""
    wanted = torch.empty(0, device=device, dtype=dtype)  # "cuda" becomes "cuda:0" or another
    for values in (*generator.parameters(), *generator.buffers()):
        other_dtype = values.is_floating_point() and values.dtype != wanted.dtype
        if other_dtype or values.device != wanted.device:
            return copy.deepcopy(generator).to(wanted.device, dtype)
    return generator


def _for_bands(planes: Tensor) -> Any:
    """Planes as `hrstyle.painting.bands` takes them: an array, or a tensor if they are on a GPU."""
    return planes.numpy() if planes.device.type == "cpu" else planes

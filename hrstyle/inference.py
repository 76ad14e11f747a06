"""Repaint a photo in one forward pass: `load(...)` a style, then `.stylize(...)` the photo.

There are three ways to compute, which give the same picture but for rounding:

- the plain pass, `generator(picture)`;
- streaming (`hrstyle.streaming`), in bounded memory, for large pictures, and for middling ones on a
  CPU, where its bands use the same memory over and over;
- OpenVINO, the fastest on a CPU, for what fits into memory.
"""

import math
import os
import re
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from hrstyle.checkpoint import load_source
from hrstyle.errors import InputError
from hrstyle.export import openvino_model
from hrstyle.generator import Generator
from hrstyle.images import (
    PILImage,
    alpha_of,
    check_tensor,
    from_array,
    from_bytes,
    open_image,
    to_array,
    to_bytes,
    upright,
)
from hrstyle.layers import read_layers
from hrstyle.streaming import Stream
from hrstyle.sweeps import memory_of_plain_pass

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
ENGINES = ("auto", "torch", "openvino")
MIDDLING = 2**18
"""Pixels above which streaming is faster than a plain pass on a CPU."""
_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def best_device() -> torch.device:
    """CUDA if there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def bytes_of(size: str | float) -> float:
    """`"2GB"`, `"500 MB"`, `"1.5G"` or a number of bytes -> bytes; decimal units.

    Raises:
        InputError: none of these, or not positive.
    """
    text = str(size).strip().upper()
    match = re.fullmatch(r"([0-9.]+(?:E\+?[0-9]+)?)\s*([KMGT]?)B?", text)
    try:
        value = float(match[1]) * _UNITS[match[2]] if match else 0.0
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise InputError(f"{size!r} is no amount of memory; write for example 2GB or 500MB")
    return value


def load(
    source: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype = "float32",
    engine: str = "auto",
) -> "Stylizer":
    """A trained style, ready to repaint photos.

    Args:
        source: name of a bundled style (`"starry_night"`), or path of a `.safetensors` file or
            Lightning checkpoint that training wrote. Nothing in the file is executed.
        device, dtype, engine: see `Stylizer`.

    Raises:
        InputError: no such style or file, a damaged or foreign file; see also `Stylizer`.
    """
    generator, style = load_source(source)
    return Stylizer(generator, style=style, device=device, dtype=dtype, engine=engine)


class Stylizer:
    """A generator with everything around it that turns pictures into pictures.

    Threads may share one: stylizing changes nothing in it.

    Args:
        generator: takes and gives `(N, 3, H, W)` in [0, 1]; it is moved to `device` and `dtype`,
            set to eval mode and used without gradients.
        style: name of its style.
        device: such as `"cpu"` or `"cuda:1"`; None takes the best there is.
        dtype: type to compute in, `"float32"`, `"bfloat16"` or `"float16"`; the short ones are
            faster where the hardware has them, and differ by a few of 255.
        engine: `"torch"`; `"openvino"`, for CPUs; or `"auto"`, OpenVINO on a CPU where it is
            installed. It keeps the memory of the largest picture so far, and has no float16.

    Raises:
        InputError: an unknown or absent device, dtype or engine, or two that do not go together.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        style: str,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype = "float32",
        engine: str = "auto",
    ):
        name = str(dtype).removeprefix("torch.")
        if name not in DTYPES:
            raise InputError(f"dtype must be one of {', '.join(DTYPES)}, not {name!r}")
        if engine not in ENGINES:
            raise InputError(f"engine must be one of {', '.join(ENGINES)}, not {engine!r}")
        try:
            default = torch.device("cpu") if engine == "openvino" else best_device()
            self.device = default if device is None else torch.device(device)
            generator.eval().to(self.device)
        except (RuntimeError, AssertionError) as error:
            raise InputError(
                f"device {str(device)!r} cannot be used ({str(error).splitlines()[0]}); try cpu"
            ) from error
        if engine == "openvino" and (self.device.type != "cpu" or name == "float16"):
            raise InputError(
                f"engine='openvino' computes on the CPU in float32 or bfloat16, not in {name} on"
                f" {self.device}"
            )
        try:
            self._layers = read_layers(generator)
        except (NotImplementedError, AttributeError, TypeError) as error:
            if engine == "openvino":
                raise InputError(f"engine='openvino' cannot run this generator: {error}") from error
            self._layers = []  # a network of another kind than ours: always the plain pass
        self._whole = self._compile(generator, name, engine)
        self.engine = "torch" if self._whole is generator else "openvino"
        self.style = style
        self.dtype = DTYPES[name]
        self.generator = generator.to(self.dtype)
        # The recorded layers hold the weights, which may have been converted.
        self._layers = read_layers(generator) if self._layers else []
        self._fast_whole = self.device.type != "cpu" or self.engine != "torch"

    def _compile(self, generator: Generator, dtype: str, engine: str) -> Callable[[Tensor], Tensor]:
        """The generator itself, or what OpenVINO makes of it."""
        if engine == "openvino":
            return openvino_model(generator, dtype=dtype)
        fits = self.device.type == "cpu" and dtype != "float16" and self._layers
        if engine == "auto" and fits and find_spec("openvino"):
            with suppress(InputError):  # installed, but broken: PyTorch will do
                return openvino_model(generator, dtype=dtype)
        return generator

    def __repr__(self) -> str:
        return (
            f"Stylizer(style={self.style!r}, device={str(self.device)!r}, engine={self.engine!r})"
        )

    @overload
    def stylize(
        self, image: Tensor, *, max_memory: str | float = ..., progress: bool = ...
    ) -> Tensor: ...

    @overload
    def stylize(
        self,
        image: str | os.PathLike[str] | PILImage | NDArray[Any],
        *,
        max_memory: str | float = ...,
        progress: bool = ...,
    ) -> PILImage: ...

    def stylize(
        self,
        image: str | os.PathLike[str] | PILImage | NDArray[Any] | Tensor,
        *,
        max_memory: str | float = "1GB",
        progress: bool = False,
    ) -> PILImage | Tensor:
        """Repaint a picture; the result has its size to the pixel.

        Args:
            image: one of

                - a path, or a Pillow image of any mode. EXIF orientation is applied, an embedded
                  colour profile is converted to sRGB, transparency is kept;
                - a numpy array `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or `(H, W, 4)`, uint8 or uint16
                  over their whole range, or float in [0, 1]; a fourth channel is transparency;
                - a float tensor `(3, H, W)` or `(N, 3, H, W)`, RGB in [0, 1], on any device.
            max_memory: what the pass itself may allocate, as `"2GB"` or in bytes. A picture that
                would take more is streamed. What is taken in any case: the 8-bit picture, and
                some 150 MB for each 10,000 pixels of its width.
            progress: show a progress bar while a picture is streamed.

        Returns:
            A Pillow image, RGB, or RGBA where there was transparency. For a tensor, a tensor of
            the same shape, dtype and device, clamped to [0, 1].

        Raises:
            InputError: a file that cannot be read; an array or tensor of another shape, type or
                range; an impossible `max_memory`.
        """
        budget = bytes_of(max_memory)
        if isinstance(image, Tensor):
            check_tensor(image)
            batch = image if image.ndim == 4 else image[None]
            return self._paint_tensor(batch, budget, progress).reshape(image.shape)
        if isinstance(image, np.ndarray):
            picture = from_array(image)
        elif isinstance(image, Image.Image):
            picture = upright(image)
        else:
            picture = open_image(image)
        pixels, alpha = to_array(picture), alpha_of(picture)
        del picture  # a large one is held once, not twice
        self._paint_bytes(torch.from_numpy(pixels), budget, progress)
        painted = Image.fromarray(pixels)
        if alpha is not None:
            painted.putalpha(alpha)
        return painted

    def _paint_bytes(self, pixels: Tensor, budget: float, progress: bool) -> None:
        """Repaint `(H, W, 3)`, uint8, in place."""
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
        # Measured at 1024x1024 px, where the layers take 134 MB: PyTorch 223, OpenVINO 264.
        return budget < 2 * memory_of_plain_pass(
            self._layers, pixels=pixels, itemsize=self.dtype.itemsize
        )

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
            desc=self.style,
            disable=not progress,
            leave=False,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed} < {remaining}",
        ) as bar:
            stream.run(read, write, bar.update)

"""Repaint a photo in one forward pass: `load(...)` a style, then `.stylize(...)` the photo."""

import os
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from hrstyle.checkpoint import load_generator
from hrstyle.errors import InputError
from hrstyle.generator import Generator
from hrstyle.images import (
    PILImage,
    alpha_of,
    check_tensor,
    from_array,
    open_image,
    to_pil,
    to_tensor,
    upright,
)
from hrstyle.styles import weights_path


def best_device() -> torch.device:
    """CUDA if there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def load(source: str | os.PathLike[str], *, device: str | torch.device | None = None) -> "Stylizer":
    """A trained style, ready to repaint photos.

    Args:
        source: name of a bundled style (`"starry_night"`), or path of a `.safetensors` file or
            Lightning checkpoint that training wrote. Nothing in the file is executed.
        device: where to compute, such as `"cpu"` or `"cuda:1"`; None takes the best there is.

    Raises:
        InputError: no such style or file, a damaged or foreign file, an unknown device.
    """
    path = Path(source).expanduser()
    if not path.is_file():
        is_name = isinstance(source, str) and not path.suffix and path.name == source
        if not is_name:
            raise InputError(f"no weights at {source}; check the path")
        path = weights_path(path.name)
    generator, style = load_generator(path)
    return Stylizer(generator, style=style, device=device)


class Stylizer:
    """A generator with everything around it that turns pictures into pictures.

    Args:
        generator: takes and gives `(N, 3, H, W)` in [0, 1]; it is moved to `device`, set to eval
            mode and used without gradients.
        style: name of its style.
        device: None takes the best there is.

    Raises:
        InputError: an unknown or absent device.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        style: str,
        device: str | torch.device | None = None,
    ):
        try:
            self.device = torch.device(device) if device is not None else best_device()
            self.generator = generator.to(self.device).eval()
        except (RuntimeError, AssertionError) as error:
            raise InputError(
                f"device {str(device)!r} cannot be used ({str(error).splitlines()[0]}); try cpu"
            ) from error
        self.style = style

    def __repr__(self) -> str:
        return f"Stylizer(style={self.style!r}, device={str(self.device)!r})"

    @overload
    def stylize(self, image: Tensor) -> Tensor: ...

    @overload
    def stylize(self, image: str | os.PathLike[str] | PILImage | NDArray[Any]) -> PILImage: ...

    def stylize(
        self, image: str | os.PathLike[str] | PILImage | NDArray[Any] | Tensor
    ) -> PILImage | Tensor:
        """Repaint a picture; the result has its size to the pixel.

        Args:
            image: one of

                - a path, or a Pillow image of any mode. EXIF orientation is applied, an embedded
                  colour profile is converted to sRGB, transparency is kept;
                - a numpy array `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or `(H, W, 4)`, uint8 or uint16
                  over their whole range, or float in [0, 1]; a fourth channel is transparency;
                - a float tensor `(3, H, W)` or `(N, 3, H, W)`, RGB in [0, 1], on any device.

        Returns:
            A Pillow image, RGB, or RGBA where there was transparency. For a tensor, a tensor of
            the same shape, dtype and device, clamped to [0, 1].

        Raises:
            InputError: a file that cannot be read; an array or tensor of another shape, type or
                range.
        """
        if isinstance(image, Tensor):
            check_tensor(image)
            batch = image if image.ndim == 4 else image[None]
            return self._paint(batch).to(image.device, image.dtype).reshape(image.shape)
        if isinstance(image, np.ndarray):
            picture = from_array(image)
        elif isinstance(image, Image.Image):
            picture = upright(image)
        else:
            picture = open_image(image)
        alpha = alpha_of(picture)
        painted = to_pil(self._paint(to_tensor(picture)))
        if alpha is not None:
            painted.putalpha(alpha)
        return painted

    @torch.no_grad()
    def _paint(self, batch: Tensor) -> Tensor:
        return self.generator(batch.to(self.device, torch.float32)).clamp(0, 1)

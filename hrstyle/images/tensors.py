"""Converting Pillow images to tensors and back: `(N, 3, H, W)`, sRGB, float in [0, 1]."""

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from hrstyle.errors import InputError
from hrstyle.images.reading import PILImage, check_range, resize_array, to_array


def check_tensor(image: Tensor) -> Tensor:
    """The tensor, checked to be a picture: `(3, H, W)` or `(N, 3, H, W)`, float in [0, 1].

    If values exceed [0, 1] by rounding errors, a clamped copy is returned.

    Raises:
        InputError: another shape, type or range.
    """
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or not image.numel():
        raise InputError(
            f"a tensor of shape {tuple(image.shape)} is not a picture; give (3, H, W) or"
            " (N, 3, H, W)"
        )
    if not image.is_floating_point():
        raise InputError(f"a tensor of {image.dtype} is not a picture; give float values in [0, 1]")
    low, high = image.min().item(), image.max().item()
    check_range(low, high)
    return image if low >= 0 and high <= 1 else image.clamp(0, 1)


def size_of(picture: Tensor) -> tuple[int, int]:
    """Height and width of `(H, W, 3)` uint8 or `(N, 3, H, W)` float."""
    height, width = picture.shape[:2] if picture.dtype == torch.uint8 else picture.shape[-2:]
    return height, width


def planes_of(picture: Tensor) -> Tensor:
    """`(H, W, 3)` uint8 as a view `(1, 3, H, W)`; `(N, 3, H, W)` float unchanged."""
    return picture.permute(2, 0, 1)[None] if picture.dtype == torch.uint8 else picture


def to_planes(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Values clamped to [0, 1], in `dtype`; for uint8 scaled to 0-255 and rounded."""
    values = values.clamp(0, 1)
    return (values.mul(255).round_() if dtype == torch.uint8 else values).to(dtype)


def floats_of(planes: Tensor) -> Tensor:
    """Planes of uint8 or float -> float32 in [0, 1]."""
    values = planes.to(torch.float32, memory_format=torch.contiguous_format)
    return values.div_(255) if planes.dtype == torch.uint8 else values


def resample(planes: Tensor, result: Tensor) -> None:
    """Resize `planes` into `result`, which may have another dtype, size and device.

    Both are `(N, 3, H, W)`, uint8 or float in [0, 1]. Bicubic, with antialiasing when reducing.
    Each plane is computed in float32 by itself, and rounded only to the result's dtype.
    """
    size = result.shape[-2:]
    for before, after in zip(planes, result, strict=True):
        for plane, to in zip(before, after, strict=True):
            values = floats_of(plane.to(result.device))
            if values.shape != size:
                values = F.interpolate(values[None, None], size, mode="bicubic", antialias=True)[
                    0, 0
                ]
            to.copy_(to_planes(values, result.dtype))


def to_tensor(image: PILImage) -> Tensor:
    """Pillow image of any mode -> `(1, 3, H, W)` float32 in [0, 1]."""
    return from_bytes(torch.from_numpy(to_array(image)))


def from_bytes(values: Tensor) -> Tensor:
    """`(H, W, 3)` uint8 -> `(1, 3, H, W)` float32 in [0, 1]."""
    return floats_of(planes_of(values))


def to_bytes(picture: Tensor) -> Tensor:
    """`(3, H, W)` or `(1, 3, H, W)` float -> `(H, W, 3)` uint8; values are clamped to [0, 1]."""
    planes = picture.detach().reshape(picture.shape[-3:])
    return to_planes(planes.float(), torch.uint8).permute(1, 2, 0)


def to_pil(picture: Tensor) -> PILImage:
    """`(3, H, W)` or `(1, 3, H, W)` float -> Pillow RGB image; values are clamped to [0, 1]."""
    return Image.fromarray(to_bytes(picture).cpu().numpy())


def resize(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a picture to height and width `size`, bicubic, with antialiasing when reducing.

    `(H, W, 3)` uint8, or `(N, 3, H, W)` float in [0, 1]; the result is a new picture of this kind.
    """
    if picture.dtype == torch.uint8:
        return torch.from_numpy(resize_array(picture.numpy(), size))
    resized = F.interpolate(picture.float(), size=size, mode="bicubic", antialias=True)
    return resized.clamp_(0, 1).to(picture.dtype)

"""Pictures as tensors: Pillow images <-> `(N, 3, H, W)`, RGB (sRGB), float in [0, 1]."""

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from hrstyle.errors import InputError
from hrstyle.images.reading import PILImage, check_range, resize_array, to_array


def check_tensor(image: Tensor) -> Tensor:
    """The tensor, if it is a picture: `(3, H, W)` or `(N, 3, H, W)`, float in [0, 1].

    What overshoots by a rounding error is clamped, in a copy.

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
    """`(H, W, 3)` uint8 as `(1, 3, H, W)`, a view of it; `(N, 3, H, W)` float as it is."""
    return picture.permute(2, 0, 1)[None] if picture.dtype == torch.uint8 else picture


def to_planes(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Clamped values of [0, 1] as planes of a type; of uint8, over its whole range."""
    values = values.clamp(0, 1)
    return (values.mul(255).round_() if dtype == torch.uint8 else values).to(dtype)


def floats_of(planes: Tensor) -> Tensor:
    """Planes of uint8 or float -> float32 in [0, 1]."""
    values = planes.to(torch.float32, memory_format=torch.contiguous_format)
    return values.div_(255) if planes.dtype == torch.uint8 else values


def resample(planes: Tensor, result: Tensor) -> None:
    """One picture's planes as another's, of any type, height, width and device.

    Nothing is rounded but by the result's type, and one plane at a time is in float. Bicubic, with
    the filter widened to reduce. Both are `(N, 3, H, W)`, uint8 or float in [0, 1].
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
    return values.permute(2, 0, 1).unsqueeze(0).contiguous().float().div_(255)


def to_bytes(picture: Tensor) -> Tensor:
    """`(3, H, W)` or `(1, 3, H, W)` float -> `(H, W, 3)` uint8; values are clamped to [0, 1]."""
    values = picture.detach().reshape(picture.shape[-3:]).float().clamp(0, 1)
    return values.mul_(255).round_().to(torch.uint8).permute(1, 2, 0)


def to_pil(picture: Tensor) -> PILImage:
    """`(3, H, W)` or `(1, 3, H, W)` float -> Pillow RGB image; values are clamped to [0, 1]."""
    return Image.fromarray(to_bytes(picture).cpu().numpy())


def resize(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture at another height and width, bicubic, with the filter widened to reduce.

    `(H, W, 3)` uint8, or `(N, 3, H, W)` float in [0, 1]; the result is a new one of the same kind.
    """
    if picture.dtype == torch.uint8:
        return torch.from_numpy(resize_array(picture.numpy(), size))
    resized = F.interpolate(picture.float(), size=size, mode="bicubic", antialias=True)
    return resized.clamp_(0, 1).to(picture.dtype)

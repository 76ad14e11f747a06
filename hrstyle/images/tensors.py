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

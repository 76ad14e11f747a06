"""Two pictures in one: a repaint and its photo."""

import os
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from hrstyle.images.reading import PILImage, alpha_of, image_of, to_rgb
from hrstyle.images.tensors import from_bytes, to_bytes

Mask = str | os.PathLike[str] | PILImage | NDArray[Any] | Tensor
SOFTNESS = 1 / 200
"""Standard deviation of the blur that softens a mask's edges, as a share of the longer side."""
_ROWS = 64  # at a time: what is computed in float32 stays small


def mask_image(mask: Mask) -> PILImage:
    """A mask of any kind as an upright Pillow image of mode L; what is transparent is black.

    Raises:
        InputError: a file that cannot be read, or no picture.
    """
    if isinstance(mask, Tensor):
        mask = mask.detach().cpu().float()
        mask = (mask.permute(1, 2, 0) if mask.ndim == 3 else mask).numpy()
    if isinstance(mask, np.ndarray) and mask.dtype == bool:
        mask = mask.astype(float)
    image = image_of(mask)
    grey, alpha = to_rgb(image).convert("L"), alpha_of(image)
    if alpha is not None:
        grey = Image.composite(grey, Image.new("L", grey.size), alpha)
    return grey


def soft_mask(mask: Mask, size: tuple[int, int]) -> Tensor:
    """A mask of any kind and size -> `(H, W)` in [0, 1], with soft edges.

    Args:
        mask: see `mask_image`; white is 1.
        size: height and width.

    Raises:
        InputError: see `mask_image`.
    """
    height, width = size
    image = mask_image(mask).resize((width, height))
    image = image.filter(ImageFilter.GaussianBlur(SOFTNESS * max(size)))
    return torch.from_numpy(np.array(image, dtype=np.float32)).div_(255)


def blend(
    painted: Tensor,
    photo: Tensor,
    *,
    strength: float = 1.0,
    keep_colours: bool | float = False,
    mask: Tensor | None = None,
) -> Tensor:
    """share * painted + (1 - share) * photo, where share = strength * mask; overwrites `painted`.

    Before that, `painted` takes on the photo's colours as far as `keep_colours` says.

    Shapes stay where they are in a painted photo, so nothing is seen double. Going from the weights
    of the base network to the style's would start at another painting, not at the photo.

    Args:
        painted, photo: both `(H, W, 3)` uint8, or `(N, 3, H, W)` float in [0, 1].
        strength: from 0 to 1.
        keep_colours: how much of the photo's colours, from 0 to 1, see `recolour`.
        mask: `(H, W)` in [0, 1].
    """
    are_bytes = painted.dtype == torch.uint8
    for top in range(0, painted.shape[0 if are_bytes else -2], _ROWS):
        rows = slice(top, top + _ROWS)
        if are_bytes:
            new, old = from_bytes(painted[rows]), from_bytes(photo[rows])
        else:
            new, old = painted[..., rows, :].float(), photo[..., rows, :].float()
        if keep_colours:
            new = torch.lerp(new, recolour(new, old), float(keep_colours))
        share = torch.as_tensor(strength) if mask is None else strength * mask[rows]
        new = torch.lerp(old, new, share.to(new))
        if are_bytes:
            painted[rows] = to_bytes(new)
        else:
            painted[..., rows, :] = new.to(painted)
    return painted


def recolour(picture: Tensor, photo: Tensor) -> Tensor:
    """The brightness of one picture with the colours of another.

    Both are `(N, 3, H, W)` in [0, 1], and so is the result. Brightness is luma by ITU-R BT.601; the
    differences between the channels and it are the photo's, but where that leaves the range.
    """
    weights = picture.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    change = ((picture - photo) * weights).sum(1, keepdim=True)
    return (photo + change).clamp(0, 1)

"""Blending of a painted picture with its photo: by strength, mask and colours."""

import os
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from hrstyle.images.reading import PILImage, alpha_of, image_of, to_array, to_rgb
from hrstyle.images.tensors import floats_of, planes_of, to_planes

Mask = str | os.PathLike[str] | PILImage | NDArray[Any] | Tensor
SOFTNESS = 1 / 200
"""Standard deviation of the blur that softens a mask's edges, as a share of the longer side."""
_ROWS = 64  # rows per step, which keeps the float32 intermediates small


def mask_image(mask: Mask) -> PILImage:
    """A mask of any kind as an upright Pillow image of mode L. Transparent pixels become black.

    Raises:
        InputError: a file that cannot be read, or a mask that is not a picture.
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


class SoftMask:
    """A mask with soft edges, for results of any size.

    Args:
        mask: see `mask_image`.

    Attributes:
        picture: the mask as an upright Pillow image of mode L.

    Raises:
        InputError: see `mask_image`.
    """

    def __init__(self, mask: Mask):
        self.picture = mask_image(mask)
        self._last: Tensor | None = None

    def at(self, size: tuple[int, int]) -> Tensor:
        """The mask resized to height and width `size` and blurred: `(H, W)`, uint8.

        The last one is kept, because the frames of a clip have one size.
        """
        soft = self._last
        if soft is None or soft.shape != size:
            image = self.picture.resize(size[::-1])
            image = image.filter(ImageFilter.GaussianBlur(SOFTNESS * max(size)))
            soft = self._last = torch.from_numpy(np.array(image))
        return soft


def blend(
    painted: Tensor,
    photo: Tensor,
    *,
    strength: float = 1.0,
    keep_colours: bool | float = False,
    mask: Tensor | None = None,
) -> Tensor:
    """share * painted + (1 - share) * photo, where share = strength * mask; overwrites `painted`.

    First `painted` takes on the photo's colours, by the share `keep_colours` (`recolour`).

    A painted photo keeps the photo's shapes in place, so the blend shows nothing double. (The
    weights of the base network and the style could be interpolated instead, but at strength 0 that
    would give the base network's painting, not the photo.)

    Args:
        painted, photo: both `(H, W, 3)` uint8, or `(N, 3, H, W)` float in [0, 1].
        strength: from 0 to 1.
        keep_colours: share of the recoloured picture, from 0 to 1, see `recolour`.
        mask: `(H, W)`, uint8 or float in [0, 1].
    """
    result, before = planes_of(painted), planes_of(photo)
    for top in range(0, result.shape[-2], _ROWS):
        rows = slice(top, top + _ROWS)
        new, old = floats_of(result[..., rows, :]), floats_of(before[..., rows, :])
        if keep_colours:
            new = torch.lerp(new, recolour(new, old), float(keep_colours))
        share = torch.as_tensor(strength) if mask is None else strength * floats_of(mask[rows])
        result[..., rows, :] = to_planes(torch.lerp(old, new, share.to(new)), painted.dtype)
    return painted


def blend_images(
    painted: PILImage, photo: PILImage, *, strength: float, keep_colours: bool | float
) -> PILImage:
    """`blend` for upright Pillow images of one size; transparency and `info` are `painted`'s."""
    pixels, original = (torch.from_numpy(to_array(image)) for image in (painted, photo))
    blend(pixels, original, strength=strength, keep_colours=keep_colours)
    result = Image.fromarray(pixels.numpy())
    if (alpha := alpha_of(painted)) is not None:
        result.putalpha(alpha)
    result.info.update(painted.info)
    return result


def recolour(picture: Tensor, photo: Tensor) -> Tensor:
    """The brightness of `picture` with the colours of `photo`.

    Both are `(N, 3, H, W)` in [0, 1], and so is the result. Brightness is luma by ITU-R BT.601. The
    differences between the channels and the luma are the photo's. The result is clamped to [0, 1].
    """
    weights = picture.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    change = ((picture - photo) * weights).sum(1, keepdim=True)
    return (photo + change).clamp(0, 1)

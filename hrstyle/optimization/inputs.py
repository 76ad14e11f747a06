"""The photo and the paintings of an optimisation, as tensors not much larger than they are used."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from hrstyle.errors import InputError
from hrstyle.images.reading import PILImage, Source, image_of, to_rgb
from hrstyle.images.tensors import check_tensor, to_tensor
from hrstyle.styles.catalogue import find

MIN_PIXELS = 16
"""Minimal length of a side in pixels, which VGG19 needs."""
Styles = Source | Tensor | Sequence[Source | Tensor] | Mapping[str, float] | None


def read_picture(
    picture: Source | Tensor, size: int | None = None
) -> tuple[Tensor, PILImage | None]:
    """A picture as `(1, 3, H, W)`, and its Pillow image, or None for a tensor.

    A much larger image is reduced, but its shorter side stays at least twice `size`.
    """
    if isinstance(picture, Tensor):
        picture = check_tensor(picture)
        if picture.ndim == 4 and len(picture) > 1:
            raise InputError("give one picture at a time, not a batch")
        return picture.detach().cpu().float().reshape(1, *picture.shape[-3:]), None
    image = image_of(picture, at_least=size and 2 * size)
    colours = to_rgb(image)
    if size and (times := min(colours.size) // (2 * size)) > 1:
        colours = colours.reduce(times)
    return to_tensor(colours), image


def read_styles(style: Any, size: int | None) -> tuple[list[Tensor], list[float]]:
    """The style's pictures `(1, 3, H, W)`, see `read_picture`, and the share of each."""
    if style is None:
        return [], []
    if isinstance(style, Mapping):
        parts = list(style)
        try:
            shares = [float(share) for share in style.values()]
        except (TypeError, ValueError) as error:
            raise InputError(f"the shares in {dict(style)} must be numbers") from error
    else:
        parts = list(style) if isinstance(style, list | tuple) else [style]
        shares = [1.0] * len(parts)
    if not parts:
        raise InputError("the list of styles is empty")
    pictures = (
        find(p).picture(size and 2 * size) if isinstance(p, str | os.PathLike) else p for p in parts
    )
    return [read_picture(picture, size)[0] for picture in pictures], shares


def result_size(shape: Sequence[int], size: int | None) -> tuple[int, int]:
    """Height and width of the result for a photo whose `shape` ends in its height and width.

    Raises:
        InputError: too few pixels.
    """
    result = reduced_size(shape, size or math.inf)
    check_size("the result", result)
    return result


def check_size(what: str, shape: Sequence[int]) -> None:
    """Raise InputError if height and width, which end `shape`, are too few pixels for VGG19."""
    height, width = shape[-2:]
    if min(height, width) < MIN_PIXELS:
        raise InputError(
            f"{what} would have {width}x{height} pixels, too few for VGG19, which needs"
            f" {MIN_PIXELS} on both sides; take a larger size or picture"
        )


def reduced_size(shape: Sequence[int], side: float, least: float = 0) -> tuple[int, int]:
    """Height and width, which end `shape`, reduced to a longer side of at most `side`.

    The shorter side stays at least `least`. A picture is never enlarged.
    """
    height, width = shape[-2:]
    factor = min(1.0, max(side / max(height, width), least / min(height, width)))
    return max(1, round(height * factor)), max(1, round(width * factor))

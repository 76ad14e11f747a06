"""`repaint`: `read` a picture of any kind, then `paint` it by a `Painter` and blend both."""

from typing import overload

import torch
from torch import Tensor

from hrstyle.engine.memory import share_of_free
from hrstyle.engine.options import StylizeOptions, bytes_of
from hrstyle.engine.painter import Painter
from hrstyle.images.photos import Photo, as_picture, read_photo
from hrstyle.images.reading import PILImage, Source
from hrstyle.images.tensors import check_tensor, resize, size_of
from hrstyle.painting.blending import blend

Picture = Source | Tensor
"""The kinds of picture that can be repainted; see `hrstyle.inference.Stylizer.stylize`."""


def repaint(
    painter: Painter, image: Picture, options: StylizeOptions, *, progress: bool = False
) -> PILImage | Tensor:
    """Repaint a picture; see `hrstyle.inference.Stylizer.stylize`.

    Raises:
        InputError: see `read`.
    """
    return paint(painter, read(image), options, progress=progress)


def read(image: Picture) -> Photo | Tensor:
    """Read a picture, without painting it.

    Raises:
        InputError: a file that cannot be read; an array or tensor of another shape, type or range.
    """
    return check_tensor(image) if isinstance(image, Tensor) else read_photo(image)


@overload
def paint(
    painter: Painter, picture: Photo, options: StylizeOptions, *, progress: bool = ...
) -> PILImage: ...


@overload
def paint(
    painter: Painter, picture: Photo | Tensor, options: StylizeOptions, *, progress: bool = ...
) -> PILImage | Tensor: ...


def paint(
    painter: Painter, picture: Photo | Tensor, options: StylizeOptions, *, progress: bool = False
) -> PILImage | Tensor:
    """Repaint a picture that was `read`; the pixels of a photo are overwritten."""
    if isinstance(picture, Tensor):
        batch = picture.detach() if picture.ndim == 4 else picture.detach()[None]
        painted = _paint(painter, batch, options, progress)
        return painted.reshape(*picture.shape[:-2], *painted.shape[-2:])
    painted = _paint(painter, torch.from_numpy(picture.pixels), options, progress)
    return as_picture(painted.numpy(), picture)


def _paint(painter: Painter, photo: Tensor, options: StylizeOptions, progress: bool) -> Tensor:
    """Paint a picture of a kind that `Painter.paint` takes, and blend it; overwrites uint8."""
    size = options.result_size(size_of(photo))
    memory = options.max_memory
    painted = painter.paint_strokes(
        photo,
        size=size,
        stroke_size=options.strokes(size),
        brush=bool(options.brush),
        overwrite=not options.blends,
        budget=share_of_free(painter.device) if memory is None else bytes_of(memory),
        progress=progress,
    )
    if not options.blends:
        return painted
    mask = options.soft_mask
    return blend(
        painted,
        photo if size_of(photo) == size else resize(photo, size),
        strength=options.strength,
        keep_colours=options.keep_colours,
        mask=None if mask is None else mask.at(size),
    )

"""`repaint`: read a picture of any kind, paint it by a `Painter`, and blend it with the photo."""

import torch
from PIL import Image
from torch import Tensor

from hrstyle.engine.memory import share_of_free
from hrstyle.engine.painter import Painter
from hrstyle.images.metadata import kept_info
from hrstyle.images.reading import PILImage, Source, alpha_of, image_of, to_array
from hrstyle.images.tensors import check_tensor, resize, size_of
from hrstyle.options import StylizeOptions, bytes_of
from hrstyle.painting.blending import blend, soft_mask

Picture = Source | Tensor
"""The kinds of picture that can be repainted; see `hrstyle.inference.Stylizer.stylize`."""


def repaint(
    painter: Painter, image: Picture, options: StylizeOptions, *, progress: bool = False
) -> PILImage | Tensor:
    """Repaint a picture; see `hrstyle.inference.Stylizer.stylize`.

    Raises:
        InputError: a file that cannot be read; an array or tensor of another shape, type or range.
    """
    if isinstance(image, Tensor):
        image = check_tensor(image)
        batch = image.detach() if image.ndim == 4 else image.detach()[None]
        painted = _paint(painter, batch, options, progress)
        return painted.reshape(*image.shape[:-2], *painted.shape[-2:])
    picture = image_of(image)
    pixels, alpha = torch.from_numpy(to_array(picture)), alpha_of(picture)
    info = kept_info(picture)
    del picture  # or a large picture would be in memory twice
    result = Image.fromarray(_paint(painter, pixels, options, progress).numpy())
    if alpha is not None:
        result.putalpha(alpha.resize(result.size) if options.size else alpha)
    result.info.update(info)
    return result


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
    mask = options.mask_picture
    return blend(
        painted,
        photo if size_of(photo) == size else resize(photo, size),
        strength=options.strength,
        keep_colours=options.keep_colours,
        mask=None if mask is None else soft_mask(mask, size),
    )

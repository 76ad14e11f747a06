"""Repaint a photo in one forward pass: `load(...)` a style, then `.stylize(...)` the photo.

A large photo is painted small (`hrstyle.painting.strokes`); `hrstyle.painting.enlarge` makes paint
of what comes out, and enlarges it.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral, Real
from typing import Any, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hrstyle.engine import Painter, bytes_of, share_of_free
from hrstyle.errors import InputError
from hrstyle.generator.base import Generator
from hrstyle.images.metadata import kept_info
from hrstyle.images.reading import (
    PILImage,
    Source,
    alpha_of,
    check_many,
    image_of,
    to_array,
    to_rgb,
)
from hrstyle.images.tensors import check_tensor, resize
from hrstyle.mixing import load_style
from hrstyle.painting.blending import Mask, blend, check_colours, mask_image, soft_mask
from hrstyle.painting.strokes import LARGEST_STROKES, SMALLEST_STROKES, strokes_for
from hrstyle.pipeline import in_order

Picture = Source | Tensor
"""What people have a picture as; see `Stylizer.stylize`."""

LONGEST_SIDE = 65500
"""What `size` may be at most, in pixels; the longest that JPEG holds."""


def check_options(
    *,
    strength: float = 1.0,
    stroke_size: float | None = None,
    brush: bool = True,
    keep_colours: bool | float = False,
    mask: Mask | None = None,
    size: int | None = None,
    max_memory: str | float | None = None,
) -> None:
    """Whether `Stylizer.stylize` will take these, to know it before the work.

    Raises:
        InputError: it will not.
    """
    if not (isinstance(strength, Real) and 0 <= strength <= 1):
        raise InputError(f"strength={strength!r} must be from 0 (the photo) to 1 (the style)")
    if stroke_size is not None and not (
        isinstance(stroke_size, Real) and SMALLEST_STROKES <= stroke_size <= LARGEST_STROKES
    ):
        raise InputError(
            f"stroke_size={stroke_size!r} must be from {SMALLEST_STROKES} to {LARGEST_STROKES};"
            " 2 doubles the strokes"
        )
    if not isinstance(brush, bool | np.bool_):
        raise InputError(f"brush={brush!r} must be true or false")
    check_colours(keep_colours)
    if size is not None and not (isinstance(size, Integral) and 1 <= size <= LONGEST_SIDE):
        raise InputError(
            f"size={size!r} must be the longer side in whole pixels, from 1 to {LONGEST_SIDE}"
        )
    if mask is not None:
        mask_image(mask)
    if max_memory is not None:
        bytes_of(max_memory)


def load(
    source: str | os.PathLike[str] | Mapping[str, float],
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype = "float32",
    engine: str = "auto",
) -> "Stylizer":
    """A trained style, ready to repaint photos.

    Args:
        source: name of a bundled style (`"starry_night"`), or path of a `.safetensors` file or
            Lightning checkpoint that training wrote. Nothing in the file is executed. Or several of
            these with their shares, as `{"starry_night": 0.5, "great_wave": 0.5}`: a mixture.
        device, dtype, engine: see `Stylizer`.

    Raises:
        InputError: no such style or file, a damaged or foreign file; styles that cannot be mixed
            because they share no base; see also `Stylizer`.
    """
    trained = load_style(source)
    return Stylizer(
        trained.generator, style=trained.style, device=device, dtype=dtype, engine=engine
    )


class Stylizer:
    """A generator with everything around it that turns pictures into pictures.

    Threads may share one: stylizing changes nothing in it.

    Args:
        generator: takes and gives `(N, 3, H, W)` in [0, 1]; it is moved to `device` and `dtype`,
            set to eval mode and used without gradients.
        style: name of its style.
        device: such as `"cpu"` or `"cuda:1"`; None takes the best there is.
        dtype: type to compute in, `"float32"`, `"bfloat16"` or `"float16"`; the short ones are
            faster where the hardware has them, and differ by a few of 255 but for single pixels.
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
        self.style = style
        self.painter = Painter(generator, device=device, dtype=dtype, engine=engine)
        self.generator = self.painter.generator
        self.device = self.painter.device
        self.dtype = self.painter.dtype
        self.engine = self.painter.engine

    def __repr__(self) -> str:
        return (
            f"Stylizer(style={self.style!r}, device={str(self.device)!r}, engine={self.engine!r})"
        )

    @overload
    def stylize(
        self,
        image: Tensor,
        *,
        strength: float = ...,
        stroke_size: float | None = ...,
        brush: bool = ...,
        keep_colours: bool | float = ...,
        mask: Mask | None = ...,
        size: int | None = ...,
        max_memory: str | float | None = ...,
        progress: bool = ...,
    ) -> Tensor: ...

    @overload
    def stylize(
        self,
        image: Source,
        *,
        strength: float = ...,
        stroke_size: float | None = ...,
        brush: bool = ...,
        keep_colours: bool | float = ...,
        mask: Mask | None = ...,
        size: int | None = ...,
        max_memory: str | float | None = ...,
        progress: bool = ...,
    ) -> PILImage: ...

    def stylize(
        self,
        image: Picture,
        *,
        strength: float = 1.0,
        stroke_size: float | None = None,
        brush: bool = True,
        keep_colours: bool | float = False,
        mask: Mask | None = None,
        size: int | None = None,
        max_memory: str | float | None = None,
        progress: bool = False,
    ) -> PILImage | Tensor:
        """Repaint a picture; the result has its size to the pixel, or `size`.

        With a strength below 1, `keep_colours` or a mask, photo and result are in memory together.

        Args:
            image: one of

                - a path, an open file or its bytes, or a Pillow image of any mode. EXIF orientation
                  is applied, a colour profile is converted to sRGB, transparency is kept;
                - a numpy array `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or `(H, W, 4)`, uint8 or uint16
                  over their whole range, or float in [0, 1]; a fourth channel is transparency;
                - a float tensor `(3, H, W)` or `(N, 3, H, W)`, RGB in [0, 1], on any device.
            strength: from 0, the photo itself, to 1, the style.
            stroke_size: how large the strokes are; 1 is as trained, some ten pixels wide. None:
                as the picture's size asks, see `strokes_for`: 1 up to 0.6 megapixels, 4.5 for 12.
                Above 1 the picture is painted that many times smaller, and enlarged. Below 1 it is
                painted larger and reduced, and the larger picture is in memory.
            brush: make paint of what the network gives: its grain is drawn out along the strokes,
                and runs together into daubs, see `hrstyle.painting.enlarge`. False: as the network
                gives it.
            keep_colours: how much of the photo's colours, from 0 (False), none, to 1 (True), all:
                then only the brightness is painted. With 0.5 things keep their hues, and the
                painting its palette.
            mask: paint where this picture is white, leave the photo where it is black, and blend in
                between; a path, a Pillow image, an array or a tensor `(H, W)`. It is laid over the
                upright photo, stretched to its size, and its edges are softened.
            size: length of the result's longer side in pixels, to which the photo is reduced or
                enlarged before it is painted. None: the photo's own.
            max_memory: what the pass itself may allocate, as `"2GB"` or in bytes; None: half of
                what is free, but at least 1 GB. A picture that would take more is streamed. What is
                taken in any case: the 8-bit picture and two more, and, where it is streamed, some
                150 MB for each 10,000 pixels of its width.
            progress: show a progress bar while a picture is streamed.

        Returns:
            A Pillow image, RGB, or RGBA where there was transparency; its `info` holds the photo's
            EXIF, which `hrstyle.images.save_image` writes, and the profile of sRGB. For a tensor, a
            tensor of as many dimensions, the same dtype and device, clamped to [0, 1].

        Raises:
            InputError: a file that cannot be read; an array or tensor of another shape, type or
                range; an impossible setting.
        """
        check_options(
            strength=strength,
            stroke_size=stroke_size,
            brush=brush,
            keep_colours=keep_colours,
            size=size,
            max_memory=max_memory,
        )
        budget = share_of_free(self.device) if max_memory is None else bytes_of(max_memory)
        how: dict[str, Any] = {"stroke_size": stroke_size, "brush": bool(brush)}
        how |= {"budget": budget, "progress": progress}
        after = {"strength": strength, "keep_colours": keep_colours, "mask": mask}
        if isinstance(image, Tensor):
            image = check_tensor(image)
            batch = image.detach() if image.ndim == 4 else image.detach()[None]
            painted = self._paint(batch, size, how, after)
            return painted.reshape(*image.shape[:-2], *painted.shape[-2:])
        picture = image_of(image)
        pixels, alpha = torch.from_numpy(to_array(picture)), alpha_of(picture)
        info = kept_info(picture)
        del picture  # a large one is held once, not twice
        result = Image.fromarray(self._paint(pixels, size, how, after).numpy())
        if alpha is not None:
            result.putalpha(alpha.resize(result.size) if size else alpha)
        result.info.update(info)
        return result

    def stylize_many(
        self, images: Iterable[Picture], *, return_exceptions: bool = False, **options: Any
    ) -> Iterator[Any]:
        """Repaint many pictures, and give each result in its turn, as soon as it is ready.

        While one is painted, or its result used, threads read the next, at most eight ahead.

        Args:
            images: as `stylize` takes them; taken one by one as they are needed.
            return_exceptions: give the `InputError` of a picture in its place, and go on; without
                it, the error is raised there, and is the end.
            options: as of `stylize`, for all.

        Raises:
            InputError: a single picture, or an impossible setting, at once; see also `stylize`.
        """
        check_many(images)
        check_options(**{key: value for key, value in options.items() if key != "progress"})
        if options.get("mask") is not None:
            options["mask"] = mask_image(options["mask"])  # read once

        def results() -> Iterator[Any]:
            for picture in in_order(_read, images):
                try:
                    yield self.stylize(picture.result(), **options)
                except InputError as error:
                    if not return_exceptions:
                        raise
                    yield error

        return results()

    def _paint(
        self, photo: Tensor, size: int | None, how: dict[str, Any], after: dict[str, Any]
    ) -> Tensor:
        """A picture of one of the two kinds that `Painter.paint` takes, and may overwrite."""
        shape = photo.shape[:2] if photo.dtype == torch.uint8 else photo.shape[-2:]
        height, width = shape
        if size is not None and size != max(shape):
            height, width = (max(1, round(side * size / max(shape))) for side in shape)
            photo = resize(photo, (height, width))
        if how["stroke_size"] is None:
            how = how | {"stroke_size": strokes_for(height * width)}
        if after["mask"] is not None:
            after = after | {"mask": soft_mask(after["mask"], (height, width))}
        elif after["strength"] == 1 and not after["keep_colours"]:
            return self.painter.paint_strokes(photo, **how)
        source = photo.clone() if how["stroke_size"] == 1 else photo  # which is not overwritten
        return blend(self.painter.paint_strokes(source, **how), photo, **after)


def _read(image: Picture) -> PILImage | Tensor:
    """What `stylize` has to do to a picture before the pass: what is left is next to nothing."""
    if isinstance(image, Tensor):
        return image
    picture = image_of(image)
    alpha, result = alpha_of(picture), to_rgb(picture)
    if alpha is not None:
        result.putalpha(alpha)
    # Not its profile: the colours are sRGB's now.
    result.info = {key: value for key, value in kept_info(picture).items() if key != "icc_profile"}
    return result

"""Repaint a photo in one forward pass: `load(...)` a style, then `.stylize(...)` the photo.

How is said by `hrstyle.options.StylizeOptions`, and done by `hrstyle.engine`.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

import torch
from torch import Tensor

from hrstyle.engine.painter import Painter
from hrstyle.engine.repainting import Picture, repaint
from hrstyle.errors import InputError
from hrstyle.generator.base import Generator
from hrstyle.images.metadata import kept_info
from hrstyle.images.reading import PILImage, Source, alpha_of, check_many, image_of, to_rgb
from hrstyle.mixing import load_style
from hrstyle.options import StylizeOptions, changed
from hrstyle.pipeline import in_order


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

    Threads may share one: stylizing changes nothing in it. Processes are sent a copy, which has to
    compile the network anew.

    Args:
        generator: takes and gives `(N, 3, H, W)` in [0, 1]; it is set to eval mode and used without
            gradients. Where `device` or `dtype` ask for others than its own, a copy of it is.
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

    @property
    def generator(self) -> Generator:
        """The network, on its device and in its type."""
        return self.painter.generator

    @property
    def device(self) -> torch.device:
        """Where it paints."""
        return self.painter.device

    @property
    def dtype(self) -> torch.dtype:
        """The type that it computes in."""
        return self.painter.dtype

    @property
    def engine(self) -> str:
        """What it computes with, `"torch"` or `"openvino"`."""
        return self.painter.engine

    def __repr__(self) -> str:
        return (
            f"Stylizer(style={self.style!r}, device={str(self.device)!r}, engine={self.engine!r})"
        )

    @overload
    def stylize(
        self,
        image: Tensor,
        *,
        progress: bool = ...,
        options: StylizeOptions | None = ...,
        **changes: Any,
    ) -> Tensor: ...

    @overload
    def stylize(
        self,
        image: Source,
        *,
        progress: bool = ...,
        options: StylizeOptions | None = ...,
        **changes: Any,
    ) -> PILImage: ...

    def stylize(
        self,
        image: Picture,
        *,
        progress: bool = False,
        options: StylizeOptions | None = None,
        **changes: Any,
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
            progress: show a progress bar while a picture is streamed.
            options: how it is repainted; None: as usual.
            changes: `strength`, `stroke_size`, `brush`, `keep_colours`, `mask`, `size` and
                `max_memory`, in place of what `options` says; see `hrstyle.StylizeOptions`.

        Returns:
            A Pillow image, RGB, or RGBA where there was transparency; its `info` holds the photo's
            EXIF, which `hrstyle.images.save_image` writes, and the profile of sRGB. For a tensor, a
            tensor of as many dimensions, the same dtype and device, clamped to [0, 1]. Both are the
            same picture but for rounding.

        Raises:
            InputError: a file that cannot be read; an array or tensor of another shape, type or
                range; an impossible setting.
        """
        return repaint(self.painter, image, changed(options, changes), progress=progress)

    def stylize_many(
        self,
        images: Iterable[Picture],
        *,
        return_exceptions: bool = False,
        progress: bool = False,
        options: StylizeOptions | None = None,
        **changes: Any,
    ) -> Iterator[Any]:
        """Repaint many pictures, and give each result in its turn, as soon as it is ready.

        While one is painted, or its result used, threads read the next, at most eight ahead.

        Args:
            images: as `stylize` takes them; taken one by one as they are needed.
            return_exceptions: give the `InputError` of a picture in its place, and go on; without
                it, the error is raised there, and is the end.
            progress, options, changes: as of `stylize`, for all.

        Raises:
            InputError: a single picture, or an impossible setting, at once; see also `stylize`.
        """
        check_many(images)
        options = changed(options, changes)

        def results() -> Iterator[Any]:
            for picture in in_order(_read, images):
                try:
                    yield self.stylize(picture.result(), progress=progress, options=options)
                except InputError as error:
                    if not return_exceptions:
                        raise
                    yield error

        return results()


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

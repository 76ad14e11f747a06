"""Repaint a photo in one forward pass: `load(...)` a style, then `.stylize(...)` the photo.

`hrstyle.engine` computes the result; its `StylizeOptions` holds the settings.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

import torch
from torch import Tensor

from hrstyle.engine.options import StylizeOptions, changed
from hrstyle.engine.painter import Painter
from hrstyle.engine.repainting import Picture, paint, read, repaint
from hrstyle.errors import PICTURE_ERRORS
from hrstyle.generator.base import Generator
from hrstyle.images.reading import PILImage, Source, check_many, check_one
from hrstyle.mixing import load_style
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
            Lightning checkpoint that training wrote. Nothing in the file is executed. Or a mixture
            of these by their shares, as `{"starry_night": 0.5, "great_wave": 0.5}`.
        device, dtype, engine: see `Stylizer`.

    Raises:
        InputError: no such style or file; a file that is damaged or of another program; styles that
            cannot be mixed because they have no common base; see also `Stylizer`.
    """
    trained = load_style(source)
    return Stylizer(
        trained.generator, style=trained.style, device=device, dtype=dtype, engine=engine
    )


class Stylizer:
    """A trained generator that repaints files, Pillow images, arrays and tensors.

    Threads may share one: stylizing does not change it. It can be pickled for other processes,
    which then compile the network again.

    Args:
        generator: a network from `(N, 3, H, W)` to `(N, 3, H, W)`, in [0, 1]. It is set to eval
            mode and runs without gradients. If `device` or `dtype` differ from its own, it is
            copied.
        style: name of its style.
        device: such as `"cpu"` or `"cuda:1"`; None takes a GPU if there is one, else the CPU.
        dtype: type to compute in, `"float32"`, `"bfloat16"` or `"float16"`. The 16-bit types are
            faster on hardware that supports them. Most pixels then differ by a few of 255, and
            single ones by more.
        engine: `"torch"`; `"openvino"`, for CPUs; or `"auto"`, which takes OpenVINO on a CPU where
            it is installed. OpenVINO holds the memory that the largest picture so far took, and
            cannot compute in float16.

    Raises:
        InputError: a device, dtype or engine that is unknown or missing, or a combination that
            cannot work.
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
        """The device that it computes on."""
        return self.painter.device

    @property
    def dtype(self) -> torch.dtype:
        """The type that it computes in."""
        return self.painter.dtype

    @property
    def engine(self) -> str:
        """The engine that computes the pass, `"torch"` or `"openvino"`."""
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
        """Repaint a picture. The result has exactly the picture's size, or the `size` asked for.

        With a strength below 1, `keep_colours` or a mask, memory holds both photo and result.

        Args:
            image: one of

                - a path, an open file or its bytes, or a Pillow image of any mode. EXIF orientation
                  is applied, a colour profile is converted to sRGB, transparency is kept;
                - a numpy array `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or `(H, W, 4)`, uint8 or uint16
                  over their whole range, or float in [0, 1]; a fourth channel is transparency;
                - a float tensor `(3, H, W)` or `(N, 3, H, W)`, RGB in [0, 1], on any device.
            progress: show a progress bar while a picture is streamed.
            options: the settings; None takes the defaults.
            changes: any of `strength`, `stroke_size`, `brush`, `keep_colours`, `mask`, `size` and
                `max_memory`, which override `options`; see `hrstyle.StylizeOptions`.

        Returns:
            A Pillow image: RGBA if the picture has transparency, else RGB. Its `info` holds the
            photo's EXIF, which `hrstyle.images.save_image` writes, and the sRGB profile. For a
            tensor, a tensor with as many dimensions, of the same dtype, on the same device, clamped
            to [0, 1]. Image and tensor show the same picture up to rounding.

        Raises:
            InputError: a file that cannot be read; an array or tensor of another shape, type or
                range; an impossible setting.
        """
        if isinstance(image, list | tuple):
            check_one(image, fix="give several to stylize_many")
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
        """Repaint many pictures, and yield the results in order, each as soon as it is ready.

        Threads read the next pictures, at most eight ahead, while one is painted or its result is
        used.

        Args:
            images: pictures of the kinds that `stylize` takes. An iterator is advanced only as far
                as pictures are needed.
            return_exceptions: yield the error of a picture, one of `hrstyle.errors.PICTURE_ERRORS`,
                in place of its result, and continue. Otherwise the error is raised, and nothing
                more is repainted.
            progress, options, changes: see `stylize`; the same for all pictures.

        Raises:
            InputError: a single picture in place of several, or an impossible setting, both before
                anything is painted; see also `stylize`.
        """
        check_many(images)
        options = changed(options, changes)

        def results() -> Iterator[Any]:
            for picture in in_order(read, images):
                try:
                    yield paint(self.painter, picture.result(), options, progress=progress)
                except PICTURE_ERRORS as error:
                    if not return_exceptions:
                        raise
                    yield error

        return results()

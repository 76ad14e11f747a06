"""A style fitted to a single photo: a few steps of training on it alone, and then the pass.

What one network paints for all photos is right on average. For each of them it hedges, and comes
out paler and less like the painting than it could. A few steps on a thumbnail of the photo take
that away. What comes of them is a network still, so the photo itself may have any size, and
brushwork stays what the style has learnt.
"""

import copy
import math
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from hrstyle.animation import Animation
from hrstyle.errors import InputError, NonFiniteError
from hrstyle.generator import Generator
from hrstyle.images import image_of, to_rgb
from hrstyle.inference import Picture, Stylizer, check_options
from hrstyle.losses import PerceptualLoss
from hrstyle.styles import Style, find, gallery
from hrstyle.tensors import check_tensor, resize, to_tensor

STEPS = 25
"""Enough for most of what there is to gain; scripts/README.md has the pictures."""
MOST_STEPS = 1000
SIZE = 512
"""Length of the thumbnail's longer side in pixels. At 384, one of 512 gains half as much."""
_NARROWEST = 32
_LEARNING_RATE = 6e-3
_WARMUP_STEPS = 3


class Refiner:
    """Paints as a `Stylizer` does, but each photo with a network that was fitted to it first.

    That takes a minute on two CPU cores. The loss is the one that the
    style was trained with, and its network is fetched when it is needed first.

    Args:
        stylizer: the style, from `hrstyle.load`. It is not changed.
        painting: the picture of the style: a path, an address, or a style's name. None: that of the
            gallery's style which has the stylizer's name.
        steps: how many, from 1 to 1000.

    Raises:
        InputError: a painting that cannot be read or fetched; none, and the gallery has no style of
            that name; impossible steps.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        *,
        painting: str | os.PathLike[str] | None = None,
        steps: int = STEPS,
    ):
        if not (isinstance(steps, int) and 1 <= steps <= MOST_STEPS):
            raise InputError(f"refine: {steps!r} must be a number of steps from 1 to {MOST_STEPS}")
        style = _painting_of(stylizer) if painting is None else find(painting)
        self.stylizer = stylizer
        self.steps = steps
        self.dtype = stylizer.dtype
        self._loss = PerceptualLoss(style_weight=style.style_weight).to(stylizer.device)
        self._loss.set_style(style.load())

    def fit(self, photo: Picture, *, progress: bool = False) -> Stylizer:
        """The style, fitted to this photo; to others it fits less than it did.

        Args:
            photo: see `Stylizer.stylize`; a batch is fitted to as a whole.
            progress: show a progress bar.

        Raises:
            InputError: see there.
            NonFiniteError: the loss went to infinity.
        """
        network = self._fit(_thumbnail(photo), progress)
        known = self.stylizer
        how: dict[str, Any] = {"device": known.device, "dtype": known.dtype}
        return Stylizer(network, style=known.style, engine=known.engine, **how)

    def stylize(self, image: Any, *, progress: bool = False, **options: Any) -> Any:
        """Repaint a picture; see `Stylizer.stylize`, whose options these are."""
        check_options(**options)
        picture = image if isinstance(image, Tensor) else image_of(image)
        fitted = self.fit(picture, progress=progress)
        return fitted.stylize(picture, progress=progress, **options)

    def stylize_many(
        self,
        images: Iterable[Picture],
        *,
        return_exceptions: bool = False,
        progress: bool = False,
        **options: Any,
    ) -> Iterator[Any]:
        """Repaint many pictures; see `Stylizer.stylize_many`.

        An animation's frames are painted by the network that was fitted to the first.
        """
        check_options(**options)
        if isinstance(images, Animation):
            frames = iter(images)
            first = next(frames)
            fitted = self.fit(first, progress=progress)
            yield from fitted.stylize_many(chain([first], frames), **options)
            return
        for image in images:
            try:
                yield self.stylize(image, progress=progress, **options)
            except InputError as error:
                if not return_exceptions:
                    raise
                yield error

    @torch.inference_mode(False)
    @torch.enable_grad()
    def _fit(self, photo: Tensor, progress: bool) -> Generator:
        device = self.stylizer.device
        photo = photo.to(device)
        network = copy.deepcopy(self.stylizer.generator).float().requires_grad_(True)
        content = self._loss.content_features(photo)
        optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._learning_rate_factor)
        with tqdm(
            total=self.steps, desc="fitting", unit="step", disable=not progress, leave=False
        ) as bar:
            for _ in range(self.steps):
                loss = self._loss(network(photo), content)["loss"]
                if not torch.isfinite(loss):
                    raise NonFiniteError(
                        f"{self.stylizer.style} cannot be fitted to this photo: the loss is not"
                        " finite"
                    )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
                bar.update()
        return network.requires_grad_(False)

    def _learning_rate_factor(self, step: int) -> float:
        return min(1, (step + 1) / _WARMUP_STEPS) * (1 + math.cos(math.pi * step / self.steps)) / 2


def _painting_of(stylizer: Stylizer) -> Style:
    if stylizer.style not in gallery():
        raise InputError(
            f"to fit {stylizer.style} to a photo takes the painting; name its file with painting="
            " (--painting)"
        )
    return gallery()[stylizer.style]


def _thumbnail(photo: Picture) -> Tensor:
    """The photo as `(N, 3, H, W)`, small."""
    if isinstance(photo, Tensor):
        check_tensor(photo)
        values = photo.detach().reshape(-1, *photo.shape[-3:]).float().cpu()
        width, height = _size(values.shape[-1], values.shape[-2])
        return resize(values, (height, width))
    image = to_rgb(image_of(photo))
    return to_tensor(image.resize(_size(*image.size), reducing_gap=3))


def _size(width: int, height: int) -> tuple[int, int]:
    """At most `SIZE` at the longer side; but `_NARROWEST`, which VGG19 needs, at the other."""
    factor = max(min(1, SIZE / max(width, height)), _NARROWEST / min(width, height))
    return round(width * factor), round(height * factor)

"""A style fitted to a single photo: a few steps of training on it alone, and then the pass.

What one network paints for all photos is right on average. For each of them it hedges, and comes
out paler and less like the painting than it could. A few steps on a thumbnail of the photo take
that away. What comes of them is a network still, so the photo itself may have any size, and
brushwork stays what the style has learnt.
"""

import copy
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import ChainedScheduler, CosineAnnealingLR, LinearLR
from tqdm import tqdm

from hrstyle.errors import InputError
from hrstyle.generator.base import Generator
from hrstyle.images.animation import Animation
from hrstyle.images.reading import PILImage, check_many, image_of, to_rgb
from hrstyle.images.tensors import check_tensor, resize, to_tensor
from hrstyle.inference import Picture, Stylizer
from hrstyle.losses.objectives import build
from hrstyle.options import StylizeOptions, changed
from hrstyle.styles.catalogue import Style, find, gallery

STEPS = 25
"""Enough for most of what there is to gain; scripts/README.md has the pictures."""
MOST_STEPS = 1000
SIZE = 512
"""Length of the thumbnail's longer side in pixels. From one of 384, 512 px gain half as much."""
_NARROWEST = 32
_LEARNING_RATE = 6e-3
_WARMUP_STEPS = 3


def check_steps(steps: object) -> None:
    """Raise InputError unless `Refiner` takes so many."""
    if not (isinstance(steps, int | np.integer) and 1 <= steps <= MOST_STEPS):
        raise InputError(
            f"steps={steps!r} (--refine) must be a whole number from 1 to {MOST_STEPS}"
        )


class Refiner:
    """Paints as a `Stylizer` does, but each photo with a network that was fitted to it first.

    That takes one or two minutes on two CPU cores, and two gigabytes of memory besides what the
    picture takes. The loss is training's default, with the style's own weight.

    Args:
        stylizer: the style, from `hrstyle.load`. It is not changed.
        painting: the picture of the style: a path, an address, a style's name, or a `Style`, which
            has a size and a weight, too. None: that of the gallery's style which has the stylizer's
            name. Where it does not come along it is fetched.
        steps: how many, from 1 to 1000.

    Raises:
        InputError: a painting that cannot be read or fetched; none, and the gallery has no style of
            that name; impossible steps; no weights of VGG19, see `hrstyle.losses.vgg.VGG19`.
    """

    @torch.inference_mode(False)
    def __init__(
        self,
        stylizer: Stylizer,
        *,
        painting: str | os.PathLike[str] | Style | None = None,
        steps: int = STEPS,
    ):
        check_steps(steps)
        if painting is None:
            painting = _painting_of(stylizer)
        style = painting if isinstance(painting, Style) else find(painting)
        target = style.load()
        self.stylizer = stylizer
        self.steps = steps
        self.dtype = stylizer.dtype
        self._loss = build(style_weight=style.style_weight).to(stylizer.device)
        self._loss.set_style(target)

    def fit(self, photo: Picture, *, progress: bool = False) -> Stylizer:
        """The style, fitted to this photo; to others it fits less than it did.

        Args:
            photo: see `Stylizer.stylize`; a batch is fitted to as a whole.
            progress: show a progress bar.

        Raises:
            InputError: see there; or the weights went to infinity.
        """
        network = self._fit(_thumbnail(photo), progress)
        known = self.stylizer
        how: dict[str, Any] = {"device": known.device, "dtype": known.dtype}
        return Stylizer(network, style=known.style, engine=known.engine, **how)

    def stylize(
        self,
        image: Any,
        *,
        progress: bool = False,
        options: StylizeOptions | None = None,
        **changes: Any,
    ) -> Any:
        """Repaint a picture; see `Stylizer.stylize`, whose options these are."""
        options = changed(options, changes)
        picture = image if isinstance(image, Tensor) else image_of(image)
        fitted = self.fit(picture, progress=progress)
        return fitted.stylize(picture, progress=progress, options=options)

    def stylize_many(
        self,
        images: Iterable[Picture],
        *,
        return_exceptions: bool = False,
        progress: bool = False,
        options: StylizeOptions | None = None,
        **changes: Any,
    ) -> Iterator[Any]:
        """Repaint many pictures in their turn; see `Stylizer.stylize_many`.

        An animation's frames are painted by the network that was fitted to the first.
        """
        check_many(images)
        options = changed(options, changes)

        def results() -> Iterator[Any]:
            for image in images:
                try:
                    yield self.stylize(image, progress=progress, options=options)
                except InputError as error:
                    if not return_exceptions:
                        raise
                    yield error

        def frames() -> Iterator[PILImage]:
            rest = iter(images)
            first = next(rest)
            fitted = self.fit(first, progress=progress)
            yield from fitted.stylize_many(chain([first], rest), options=options)

        return frames() if isinstance(images, Animation) else results()

    @torch.inference_mode(False)
    @torch.enable_grad()
    def _fit(self, photo: Tensor, progress: bool) -> Generator:
        device = self.stylizer.device
        photo = photo.to(device)
        network = copy.deepcopy(self.stylizer.generator).float().requires_grad_(True)
        content = self._loss.photo_features(photo)
        optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
        warmup = LinearLR(optimizer, 1 / _WARMUP_STEPS, total_iters=_WARMUP_STEPS - 1)
        schedule = ChainedScheduler([warmup, CosineAnnealingLR(optimizer, self.steps)], optimizer)
        with tqdm(
            total=self.steps, desc="fitting", unit="step", disable=not progress, leave=False
        ) as bar:
            for number in range(self.steps):
                # The loss draws places: in each step others, but the same ones for each photo.
                with torch.random.fork_rng(devices=[]):
                    torch.default_generator.manual_seed(number)
                    loss = self._loss(network(photo), content)["loss"]
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
                bar.update()
        if not all(torch.isfinite(value).all() for value in network.parameters()):
            raise InputError(
                f"{self.stylizer.style} cannot be fitted to this photo in {self.steps} steps: its"
                " weights went to infinity; take fewer (--refine), or paint it without"
            )
        return network.requires_grad_(False)


def _painting_of(stylizer: Stylizer) -> Style:
    if stylizer.style not in gallery():
        raise InputError(
            f"no painting is known for the style {stylizer.style}; name the picture that it is to"
            " come nearer to with painting= (--painting)"
        )
    return gallery()[stylizer.style]


def _thumbnail(photo: Picture) -> Tensor:
    """The photo as `(N, 3, H, W)`, small."""
    if isinstance(photo, Tensor):
        values = check_tensor(photo).detach().reshape(-1, *photo.shape[-3:]).float().cpu()
        width, height = _size(values.shape[-1], values.shape[-2])
        return resize(values, (height, width))
    image = to_rgb(image_of(photo, at_least=3 * SIZE))
    return to_tensor(image.resize(_size(*image.size), reducing_gap=3))


def _size(width: int, height: int) -> tuple[int, int]:
    """At most `SIZE` a side, and at least `_NARROWEST`, which VGG19 needs."""
    factor = min(1, SIZE / max(width, height))
    return max(_NARROWEST, round(width * factor)), max(_NARROWEST, round(height * factor))

"""Fine-tune a style's network on a single photo before repainting it.

A network that serves all photos compromises: for a given photo its result is paler and less like
the painting than possible. A few training steps on a thumbnail of the photo correct this. The
result is still a network. So the photo itself may have any size, and the brushwork is still that of
the style.
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

from hrstyle.engine.options import StylizeOptions, changed
from hrstyle.errors import PICTURE_ERRORS, InputError
from hrstyle.generator.base import Generator
from hrstyle.generator.colours import match_colours
from hrstyle.images.animation import Animation
from hrstyle.images.reading import PILImage, check_many, image_of, to_rgb
from hrstyle.images.tensors import check_tensor, resize, to_tensor
from hrstyle.inference import Picture, Stylizer
from hrstyle.losses.objectives import build
from hrstyle.losses.sampling import seeded
from hrstyle.styles.catalogue import Style, find, gallery

STEPS = 25
"""Default number of steps; more improve little."""
MAX_STEPS = 1000
SIZE = 512
"""Length of the thumbnail's longer side in pixels. 384 px gain half as much for 512 px photos."""
_MIN_SIDE = 32
_LEARNING_RATE = 6e-3
_WARMUP_STEPS = 3


def check_steps(steps: object) -> None:
    """Raise InputError unless `steps` is a whole number from 1 to `MAX_STEPS`."""
    if not (isinstance(steps, int | np.integer) and 1 <= steps <= MAX_STEPS):
        raise InputError(f"steps={steps!r} (--refine) must be a whole number from 1 to {MAX_STEPS}")


class Refiner:
    """Repaints as a `Stylizer` does, but fine-tunes the network on each photo first.

    Fine-tuning takes about a minute on two CPU cores, and two gigabytes of memory on top of
    repainting. The loss is the default of training, with the style's own weight.

    Args:
        stylizer: the style, from `hrstyle.load`. It is not changed.
        painting: the style's picture: a path, an address, a style's name, or a `Style`, which also
            sets size and weight. None: the painting of the bundled style with the stylizer's name.
            It is fetched if it is not in the package.
        steps: number of training steps, from 1 to 1000.

    Raises:
        InputError: a painting that cannot be read or fetched; no painting given, and no bundled
            style of that name; steps out of range; no weights of VGG19, see
            `hrstyle.losses.vgg.VGG19`.
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
        paintings = style.load_all()
        self.stylizer = stylizer
        self.steps = steps
        self.dtype = stylizer.dtype
        self._loss = build(style_weight=style.style_weight).to(stylizer.device)
        self._loss.set_style(*paintings)
        self._paintings = paintings

    def fit(self, photo: Picture, *, progress: bool = False) -> Stylizer:
        """A `Stylizer` that is fine-tuned on this photo, and worse than before on others.

        Args:
            photo: see `Stylizer.stylize`; a batch gets one network in common.
            progress: show a progress bar.

        Raises:
            InputError: see `Stylizer.stylize`; or the weights became infinite.
        """
        network = self._fit(_thumbnail(photo), progress)
        base = self.stylizer
        return Stylizer(
            network, style=base.style, device=base.device, dtype=base.dtype, engine=base.engine
        )

    def stylize(
        self,
        image: Any,
        *,
        progress: bool = False,
        options: StylizeOptions | None = None,
        **changes: Any,
    ) -> Any:
        """Repaint a picture; the options are those of `Stylizer.stylize`."""
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
        """Repaint many pictures one after the other; see `Stylizer.stylize_many`.

        All frames of an animation are repainted by the network fine-tuned on the first.
        """
        check_many(images)
        options = changed(options, changes)

        def results() -> Iterator[Any]:
            for image in images:
                try:
                    yield self.stylize(image, progress=progress, options=options)
                except PICTURE_ERRORS as error:
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
                with seeded(number):
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
                " weights became infinite; take fewer steps (--refine), or do not refine"
            )
        network.requires_grad_(False)
        weight = self._loss.style_weight
        match_colours(network, [photo], self._paintings, style_weight=weight)
        return network


def _painting_of(stylizer: Stylizer) -> Style:
    if stylizer.style not in gallery():
        raise InputError(
            f"no painting is known for the style {stylizer.style}; give its picture with painting="
            " (--painting)"
        )
    return gallery()[stylizer.style]


def _thumbnail(photo: Picture) -> Tensor:
    """The photo reduced to `SIZE`, as `(N, 3, H, W)`."""
    if isinstance(photo, Tensor):
        values = check_tensor(photo).detach().reshape(-1, *photo.shape[-3:]).float().cpu()
        width, height = _thumbnail_size(values.shape[-1], values.shape[-2])
        return resize(values, (height, width))
    image = to_rgb(image_of(photo, at_least=3 * SIZE))
    return to_tensor(image.resize(_thumbnail_size(*image.size), reducing_gap=3))


def _thumbnail_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the thumbnail: at most `SIZE`, and at least `_MIN_SIDE` for VGG19."""
    factor = min(1, SIZE / max(width, height))
    return max(_MIN_SIDE, round(width * factor)), max(_MIN_SIDE, round(height * factor))

"""Parts of scripts/train_on_gpu.py: crops of photos, the training of a style, and checkpoints."""

import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gallery import start_of
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, parameters_to_vector
from tqdm import tqdm

from hrstyle.errors import InputError
from hrstyle.files import open_atomically
from hrstyle.generator import pyramid
from hrstyle.generator.base import Noise
from hrstyle.images import from_bytes, open_image, resize, to_array, to_rgb
from hrstyle.losses import PerceptualLoss
from hrstyle.losses.perceptual import FeaturesByScale
from hrstyle.losses.sampling import seeded
from hrstyle.pipeline import in_order
from hrstyle.styles import Style
from hrstyle.train.data import find_pictures
from hrstyle.train.start import start_from

LONGER, MOST_PHOTOS, MIN_SCALE = 512, 5000, 0.5
"""Longer side of the photos on the device; their maximal number; the smallest crop, as a share of a
photo's shorter side."""


class Crops:
    """Batches `(batch_size, 3, size, size)` of random square crops; batch k is always the same.

    Args:
        folder: the photos; they are read once, reduced, and kept on the device.
        sizes: the crops' sides in pixels; the batches use them in turn.
        batch_size: crops per batch.
        device: the device for photos and crops.

    Raises:
        InputError: there are no photos, or none that can be read.
    """

    def __init__(self, folder: Path, sizes: Sequence[int], batch_size: int, device: torch.device):
        paths = find_pictures(folder)
        if len(paths) > MOST_PHOTOS:
            paths = [paths[i * len(paths) // MOST_PHOTOS] for i in range(MOST_PHOTOS)]
        self.sizes, self.batch_size = sizes, batch_size
        self.photos: list[Tensor] = []
        for photo in tqdm(in_order(_reduced, paths), total=len(paths), desc="photos", leave=False):
            try:
                self.photos.append(photo.result().to(device))
            except InputError as error:
                tqdm.write(f"skipped: {error}", file=sys.stderr)
        if not self.photos:
            raise InputError(f"none of the {len(paths)} pictures in {folder} can be read")

    def __call__(self, number: int) -> Tensor:
        random = np.random.default_rng([0, number])
        size = self.sizes[number % len(self.sizes)]
        return torch.cat([self._crop(random, size) for _ in range(self.batch_size)])

    def _crop(self, random: np.random.Generator, size: int) -> Tensor:
        photo = self.photos[random.integers(len(self.photos))]
        side = max(1, round(min(photo.shape[:2]) * random.uniform(MIN_SCALE, 1)))
        top, left = (int(random.integers(length - side + 1)) for length in photo.shape[:2])
        crop = resize(from_bytes(photo[top : top + side, left : left + side]), (size, size))
        return crop.flip(-1) if random.random() < 0.5 else crop


def _reduced(path: Path) -> Tensor:
    photo = to_rgb(open_image(path, at_least=2 * LONGER))
    photo.thumbnail((LONGER, LONGER))
    return torch.from_numpy(to_array(photo))


class Trainee:
    """The training of one style: generator, optimiser, targets, and the last good weights.

    Args:
        style: the style.
        targets: the targets from its painting, see `PerceptualLoss.style_targets`.
        device: the device to train on.
    """

    def __init__(self, style: Style, targets: Mapping[str, Tensor], device: torch.device):
        self.style, self.targets = style, targets
        self.generator = pyramid()
        self.base = start_from(self.generator, start_of(style.name))
        # In training mode the noise draws its offset as Python numbers, for which torch.compile
        # would recompile each time. So `step` draws the offset, and rolls the pattern by it.
        self.generator.to(device).eval()
        self.noises = [(x, x.pattern) for x in self.generator.modules() if isinstance(x, Noise)]
        self.fused = device.type == "cuda"
        self.adam = self._new_adam()
        self.share = 1.0  # factor of the learning rate, halved by `restore_good`
        self.setbacks = 0
        self.save_good()

    def _new_adam(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.generator.parameters(), fused=self.fused)

    def step(
        self,
        number: int,
        loss: PerceptualLoss,
        photo: Tensor,
        content: FeaturesByScale,
        rate: float,
    ) -> Tensor:
        """Make one step of Adam; returns the loss, without waiting for the device."""
        # Seeded for each style, so that its training does not depend on the other styles.
        loss.set_style(self.targets)
        loss.style_weight = self.style.style_weight
        self.adam.param_groups[0]["lr"] = rate * self.share
        self.adam.zero_grad()
        with seeded(number):
            for noise, pattern in self.noises:
                noise.pattern = pattern.roll(torch.randint(len(pattern), (2,)).tolist(), (0, 1))
            value = loss(self.generator(photo), content)["loss"]
        value.backward()
        clip_grad_norm_(self.generator.parameters(), 1.0)
        self.adam.step()
        return value.detach()

    def is_finite(self) -> bool:
        """Whether the weights are finite, also in float16, the type of the files."""
        return bool(parameters_to_vector(self.generator.parameters()).half().isfinite().all())

    def save_good(self) -> None:
        """Save the current weights as the last good ones."""
        self.good = {name: value.clone() for name, value in self.generator.state_dict().items()}

    def restore_good(self) -> None:
        """Restore the last good weights, and halve the learning rate."""
        self.generator.load_state_dict(self.good)
        self.adam = self._new_adam()
        self.share /= 2
        self.setbacks += 1

    def state_dict(self) -> dict[str, Any]:
        """The state of the training of this style."""
        weights, adam = self.generator.state_dict(), self.adam.state_dict()
        kept = {"base": self.base, "good": self.good, "share": self.share}
        kept["setbacks"] = self.setbacks
        return {"weights": weights, "adam": adam, **kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load a `state_dict`, from any device."""
        self.generator.load_state_dict(state["weights"])
        for group in state["adam"]["param_groups"]:
            group["fused"] = self.fused
        self.adam.load_state_dict(state["adam"])
        self.base, self.good = state["base"], state["good"]
        self.share, self.setbacks = state["share"], state["setbacks"]


def save(path: Path, step: int, seconds: float, trainees: Sequence[Trainee]) -> None:
    """Write a checkpoint of all styles."""
    styles = {trainee.style.name: trainee.state_dict() for trainee in trainees}
    with open_atomically(path) as file:
        torch.save({"step": step, "seconds": seconds, "styles": styles}, file)


def read_state(path: Path, styles: Collection[str], device: torch.device) -> dict[str, Any] | None:
    """Read the checkpoint that `save` wrote; None if there is no file.

    Raises:
        InputError: the file is damaged, or of other styles.
    """
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        found = list(state["styles"])
    except Exception as error:  # torch.load raises a dozen types for damaged files
        raise InputError(f"{path} is damaged; delete it to start afresh") from error
    if set(found) != set(styles):
        raise InputError(
            f"{path} is the state of a training of {', '.join(found)}; add --only with these, or"
            " give another --run-dir"
        )
    return state

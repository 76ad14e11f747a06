"""Content photos for training: endless batches of random crops, or a single photo.

Batch k depends only on the seed, k and the process's rank. So a resumed run continues with the same
batches as an uninterrupted one, and checkpoints hold no state of the data.
"""

import itertools
import math
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import skimage.data
import torch
from PIL import Image
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from hrstyle.errors import InputError
from hrstyle.images.formats import describe_skipped, pictures_in, trust_files
from hrstyle.images.reading import open_image, to_rgb
from hrstyle.images.tensors import to_tensor

SAMPLE_PHOTOS = (
    "astronaut.png",
    "camera.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "rocket.jpg",
)
"""Photos in scikit-image's wheel: training data without a download."""

PREVIEW_PHOTOS = ("chelsea.png", "coffee.png")
"""Held-out photos in scikit-image's wheel, for previews."""

_REDUCING_GAP = 3  # Pillow's `reducing_gap`: decode photos at no less than 3 times the crop's size


def sample_path(name: str) -> Path:
    """The path of a sample photo in scikit-image's wheel."""
    return Path(skimage.data.__file__).parent / name


def find_pictures(root: str | os.PathLike[str]) -> list[Path]:
    """All pictures below `root`, sorted; see `hrstyle.images.pictures_in`.

    A line on standard error counts the other files by type.

    Raises:
        InputError: no such folder, or no pictures in it.
    """
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise InputError(f"data.root={root} is not a folder; give one that holds photos")
    paths, others = pictures_in(folder)
    skipped = describe_skipped(others) if others else ""
    if not paths:
        rest = f"; {skipped}" if skipped else ""
        raise InputError(f"no pictures in {folder} or below it; give a folder of photos{rest}")
    if skipped:
        _print_error(f"{folder}: {skipped}")
    return sorted(paths)


@rank_zero_only
def _print_error(sentence: str) -> None:
    print(sentence, file=sys.stderr)


class RandomCrops(IterableDataset[Tensor]):
    """Endless batches `(batch_size, 3, size, size)` of random square crops, half of them mirrored.

    A crop's side is a random share, from `min_scale` to 1, of the photo's shorter side. The crop is
    then resized to `size`. A photo that cannot be read is reported once, and another replaces it.

    Args:
        paths: picture files.
        repeat: each batch is given this many times in a row.
        start: number of the first batch.
        rank: the process's rank; each process sees other crops.

    Raises:
        InputError: while iterating, when no photo at all can be read.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        size: int,
        batch_size: int,
        min_scale: float,
        seed: int,
        repeat: int = 1,
        start: int = 0,
        rank: int = 0,
    ):
        self.paths = list(paths)
        self.size = size
        self.batch_size = batch_size
        self.min_scale = min_scale
        # Shorter side to decode photos at, so that the smallest crop has enough pixels.
        self.min_side = math.ceil(_REDUCING_GAP * size / min_scale)
        self.seed = seed
        self.repeat = repeat
        self.start = start
        self.rank = rank
        self._cached: tuple[int, Tensor] | None = None
        # Shared between the worker processes, so that only one reports an unreadable photo.
        self.unreadable = torch.zeros(len(self.paths), dtype=torch.bool).share_memory_()
        self.lock = multiprocessing.Lock()

    def __iter__(self) -> Iterator[Tensor]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for number in itertools.count(self.start + first, step):
            yield self.batch(number)

    def batch(self, number: int) -> Tensor:
        """Batch `number`: the same one every time."""
        draw = number // self.repeat
        if self._cached is None or self._cached[0] != draw:
            rng = np.random.default_rng([self.seed, self.rank, draw])
            self._cached = draw, torch.cat([self._crop(rng) for _ in range(self.batch_size)])
        return self._cached[1]

    def _crop(self, rng: np.random.Generator) -> Tensor:
        """A random square of a random photo."""
        photo = self._photo(rng)
        side = min(photo.size) * rng.uniform(self.min_scale, 1)
        left, top = (rng.uniform(0, length - side) for length in photo.size)
        flip = rng.random() < 0.5
        crop = photo.resize(
            (self.size, self.size),
            Image.Resampling.BICUBIC,
            box=(left, top, left + side, top + side),
            reducing_gap=_REDUCING_GAP,
        )
        tensor = to_tensor(crop)
        return tensor.flip(-1) if flip else tensor

    def _photo(self, rng: np.random.Generator) -> Image.Image:
        while not self.unreadable.all():
            index = int(rng.integers(len(self.paths)))
            if self.unreadable[index]:
                continue
            try:
                return to_rgb(open_image(self.paths[index], at_least=self.min_side))
            except InputError as error:
                with self.lock:
                    was_reported = bool(self.unreadable[index])
                    self.unreadable[index] = True
                if self.rank == 0 and not was_reported:  # one report from all processes
                    warnings.warn(f"skipped: {error}", stacklevel=2)
        raise InputError(
            f"none of the {len(self.paths)} pictures can be read, for example {self.paths[0]}"
        )


class PhotoData(pl.LightningDataModule):
    """Photos to train on; `samples` and `folder` build it.

    Args:
        paths: the photos.
        preview_paths: held-out photos for previews.
        size: side of the square crops in pixels.
        batch_size: crops per step and device.
        min_scale: the smallest crop's side as a share of the photo's shorter side, in (0, 1].
        num_workers: processes that read photos ahead; 0 reads them in the main process.
        seed: of the random choice of photos and crops.
        repeat: number of steps in a row that see the same crops. When several styles are trained
            together, the loss network's features of the crops are computed once for these steps.

    Raises:
        InputError: an impossible number.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        preview_paths: Sequence[Path],
        size: int = 256,
        batch_size: int = 1,
        min_scale: float = 0.5,
        num_workers: int = 2,
        seed: int = 0,
        repeat: int = 1,
    ):
        super().__init__()
        if size < 32 or min(batch_size, repeat) < 1 or not 0 < min_scale <= 1:
            raise InputError(
                f"data.size={size} must be at least 32, batch_size={batch_size} and"
                f" repeat={repeat} at least 1, and min_scale={min_scale} in (0, 1]"
            )
        if num_workers < 0 or seed < 0:
            raise InputError(f"data.num_workers={num_workers} and seed={seed} must not be negative")
        self.paths = paths
        self.preview_paths = preview_paths
        self.repaint_paths: Sequence[Path] = ()
        self.num_workers = num_workers
        self.crops: dict[str, Any] = {"size": size, "batch_size": batch_size}
        self.crops |= {"min_scale": min_scale, "seed": seed, "repeat": repeat}

    def some_crops(self, count: int) -> list[Tensor]:
        """At least `count` crops, as batches of `batch_size`; the same ones every time."""
        # As of rank 1, which does not report unreadable photos once more.
        crops = RandomCrops(self.paths, **self.crops | {"repeat": 1, "rank": 1})
        return list(itertools.islice(crops, math.ceil(count / self.crops["batch_size"])))

    def train_dataloader(self) -> DataLoader[Tensor]:
        trust_files()
        start, rank = 0, 0
        if self.trainer is not None:
            start = self.trainer.global_step * self.trainer.accumulate_grad_batches
            rank = self.trainer.global_rank
        return DataLoader(
            RandomCrops(self.paths, start=start, rank=rank, **self.crops),
            batch_size=None,  # the data set yields whole batches
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            worker_init_fn=_start_worker,
        )


def _start_worker(worker: int) -> None:
    """Ignore Ctrl-C in a worker, because the main process still needs it to finish the step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    trust_files()  # in each process


def samples(**crops: Any) -> PhotoData:
    """The sample photos of scikit-image. `crops`: keywords of `PhotoData`."""
    return PhotoData(
        [sample_path(name) for name in SAMPLE_PHOTOS], preview_paths=_held_out(), **crops
    )


def folder(root: str, **crops: Any) -> PhotoData:
    """All photos below the folder `root`. `crops`: keywords of `PhotoData`.

    Raises:
        InputError: no such folder, or no pictures in it.
    """
    return PhotoData(find_pictures(root), preview_paths=_held_out(), **crops)


class OnePhoto(pl.LightningDataModule):
    """One whole photo, given in every step, as in arXiv 1904.11617.

    Args:
        content: the photo's file.
        size: maximal length of its longer side in pixels while training. The picture that training
            writes at the end has the photo's own size.

    Raises:
        InputError: the photo cannot be read, or is too small.
    """

    def __init__(self, content: str, size: int = 1024):
        super().__init__()
        path = Path(content).expanduser()
        photo = to_rgb(open_image(path, at_least=2 * size))
        photo.thumbnail((size, size))
        if min(photo.size) < 16:
            raise InputError(
                f"{path}: {photo.width}x{photo.height} pixels at data.size={size} are too few for"
                " VGG19; both sides need 16"
            )
        self.photo = to_tensor(photo)
        self.preview_paths = self.repaint_paths = [path]

    def some_crops(self, count: int) -> list[Tensor]:
        """The photo, once."""
        return [self.photo]

    def train_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(_RepeatedBatch(self.photo), batch_size=None)


class _RepeatedBatch(IterableDataset[Tensor]):
    def __init__(self, batch: Tensor):
        self.batch = batch

    def __iter__(self) -> Iterator[Tensor]:
        return itertools.repeat(self.batch)


def _held_out() -> list[Path]:
    return [sample_path(name) for name in PREVIEW_PHOTOS]

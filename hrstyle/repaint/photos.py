"""The photos of a folder, split between the processes."""

import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only

from hrstyle.errors import InputError
from hrstyle.files import expand_user
from hrstyle.images.formats import trust_files
from hrstyle.images.outputs import Job, plan_outputs
from hrstyle.images.photos import Photo, read_photo
from hrstyle.images.reading import PILImage
from hrstyle.pipeline import in_order


class Task(NamedTuple):
    """A job, and its photo being read; None if the result exists."""

    job: Job
    reading: Future[Photo | None]


class Photos(pl.LightningDataModule):
    """All pictures in and below a folder.

    Process r of n repaints every n-th photo, starting with the r-th. All processes must list the
    same photos, so no photo may be added while they start. Only the paths are kept in memory; a
    photo is read shortly before it is repainted.

    Args:
        root: the folder.
        output: the folder for the results, with the subfolders of `root`; it may lie inside `root`.
        file_format: format of the results, such as `"png"`; None: each photo's own, or PNG if that
            cannot be written.
        max_pixels: a photo with more pixels fails, because a small file may decode to more than the
            memory holds.

    Raises:
        InputError: no such folder, no pictures in it, or two results of one name.
    """

    def __init__(
        self,
        root: str,
        output: str,
        file_format: str | None = None,
        max_pixels: int = 200_000_000,
    ):
        super().__init__()
        if max_pixels < 1:
            raise InputError(f"data.max_pixels={max_pixels} must be at least 1")
        self.max_pixels = max_pixels
        folder, self.output = Path(expand_user(root)), Path(expand_user(output))
        if not folder.is_dir():
            raise InputError(f"data.root={root} is not a folder; give one that holds photos")
        self.jobs = plan_outputs(
            [str(folder)],
            f"{self.output}/",
            recursive=True,
            file_format=file_format,
            # Not "skip": results appear while processes start, but all must list the same photos.
            existing="overwrite",
            tell=_print_error,
        )

    def predict_dataloader(self) -> "_PhotosOfProcess":
        trust_files()  # in each process; `max_pixels` replaces Pillow's limit
        rank, count = (
            (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        )
        return _PhotosOfProcess(self.jobs[rank::count], self.max_pixels)


@rank_zero_only
def _print_error(sentence: str) -> None:
    print(sentence, file=sys.stderr)


class _PhotosOfProcess:
    """The photos of one process; threads read the next ones while one is repainted."""

    def __init__(self, jobs: list[Job], max_pixels: int):
        self.jobs = jobs
        self.max_pixels = max_pixels

    def __len__(self) -> int:
        return len(self.jobs)

    def __iter__(self) -> Iterator[Task]:
        readings = in_order(self._read, self.jobs)
        for job, reading in zip(self.jobs, readings, strict=True):
            yield Task(job, reading)

    def _read(self, job: Job) -> Photo | None:
        def check(photo: PILImage) -> None:
            pixels = photo.width * photo.height
            if pixels > self.max_pixels:
                raise InputError(
                    f"{job.source} has {pixels:,} pixels; if you trust it, set"
                    f" data.max_pixels={pixels}"
                )

        return None if job.target.exists() else read_photo(job.source, check=check)

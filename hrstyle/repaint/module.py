"""The LightningModule that repaints and writes the photos of one process."""

import json
import os
from collections import Counter, deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from hrstyle.engine.options import StylizeOptions
from hrstyle.engine.repainting import paint
from hrstyle.errors import PICTURE_ERRORS, sentence_of
from hrstyle.files import open_atomically
from hrstyle.images.outputs import Job
from hrstyle.images.reading import PILImage
from hrstyle.images.writing import write_image
from hrstyle.inference import Stylizer
from hrstyle.pipeline import WORKERS
from hrstyle.repaint.photos import Task

OUTCOMES = ("repainted", "skipped", "failed")


class Repainter(pl.LightningModule):
    """Repaints and writes each photo. A photo that fails is named in a file, and the job goes on.

    Each result is flushed to the disk before it gets its name, so results are whole even after a
    power cut.

    Args:
        stylizer: the style, on this process's device.
        failures: a file to which a line of JSON is appended for each photo that fails.
        stylize: how the photos are repainted.
        save: keywords of `hrstyle.images.save_image`.

    Raises:
        InputError: during prediction, if results cannot be written.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        *,
        failures: Path,
        stylize: StylizeOptions,
        save: Mapping[str, Any],
    ):
        super().__init__()
        self.stylizer = stylizer
        self.failures = failures
        self.stylize = stylize
        self.save = save
        self.counts: Counter[str] = Counter()
        """Number of photos for each of the `OUTCOMES`; after the end, of all processes."""

        self._pool: ThreadPoolExecutor | None = None  # created in the process that uses it
        self._writing: deque[tuple[Job, Future[None]]] = deque()

    def on_predict_start(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS)

    def predict_step(self, task: Task, batch_idx: int) -> str:
        job = task.job
        self._finish_writing(WORKERS - 1)
        try:
            photo = task.reading.result()
            if photo is None:
                self.counts["skipped"] += 1
            else:
                result = paint(self.stylizer.painter, photo, self.stylize)
                assert self._pool is not None
                self._writing.append((job, self._pool.submit(self._write, result, job.target)))
        except PICTURE_ERRORS as error:
            self._fail(job, error)
        return str(job.target)

    def _write(self, result: PILImage, target: Path) -> None:
        with open_atomically(target, durable=True) as file:
            write_image(result, file, target, **self.save)

    def _finish_writing(self, allowed: int) -> None:
        """Wait until at most `allowed` results are still being written."""
        while len(self._writing) > allowed:
            job, writing = self._writing.popleft()
            try:
                writing.result()
                self.counts["repainted"] += 1
            except PICTURE_ERRORS as error:
                if isinstance(error.__cause__, OSError) and error.__cause__.errno is not None:
                    raise  # such as a full disk, on which all would fail
                self._fail(job, error)

    def _fail(self, job: Job, error: Exception) -> None:
        self.counts["failed"] += 1
        line = json.dumps({"photo": str(job.source), "error": sentence_of(error)}) + "\n"
        # A single append, so that the processes' lines do not overwrite each other.
        file = os.open(self.failures, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def close(self) -> None:
        """Cancel the results that wait to be written, and finish those being written."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def on_predict_end(self) -> None:
        self._finish_writing(0)
        counts = torch.tensor([self.counts[x] for x in OUTCOMES], device=self.stylizer.device)
        total = self.trainer.strategy.reduce(counts, reduce_op="sum")
        self.counts = Counter(dict(zip(OUTCOMES, total.tolist(), strict=True)))

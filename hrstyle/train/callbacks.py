"""Lightning callbacks: progress bar, previews, checkpoints, validation, stopping on Ctrl-C."""

import csv
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from PIL import ImageOps
from pytorch_lightning.callbacks import Callback, TQDMProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_info, rank_zero_only
from torch import Tensor
from torchvision.utils import make_grid

from hrstyle.images.reading import open_image, to_rgb
from hrstyle.images.tensors import to_pil, to_tensor
from hrstyle.images.writing import save_image
from hrstyle.losses.sampling import seeded


class StepProgressBar(TQDMProgressBar):
    """Lightning's bar with `max_steps` as its total, which endless data do not give it."""

    @property
    def total_train_batches(self) -> int | float:
        return self.trainer.max_steps * self.trainer.accumulate_grad_batches

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics

    def on_train_epoch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        super().on_train_epoch_start(trainer, *args)
        bar = self.train_progress_bar
        # Steps before a resume count as done, but not towards the speed.
        bar.n = bar.initial = trainer.global_step * trainer.accumulate_grad_batches
        bar.set_description(f"{trainer.max_steps} steps")


class EveryNSteps(Callback):
    """Calls `at_step` every so many steps: once per step, not per accumulated batch.

    Args:
        every_n_steps: steps between two calls.
    """

    def __init__(self, every_n_steps: int):
        self.every_n_steps = every_n_steps
        self.last_step = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.last_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        if trainer.global_step % self.every_n_steps == 0:
            self.once(trainer, pl_module)

    def once(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Call `at_step` unless it was called at this step."""
        if trainer.global_step != self.last_step:
            self.last_step = trainer.global_step
            self.at_step(trainer, pl_module)

    def at_step(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """What is done every so many steps."""


class Preview(EveryNSteps):
    """Repaints the same photos every `every_n_steps` steps.

    The preview has one row per photo, with the photo on the left. It goes to TensorBoard and to
    `preview.png` in the run's folder. The paintings go to TensorBoard once, each as a step.

    Args:
        photos: picture files, all cropped to the shape of the first.
        paintings: the style's pictures, each `(1, 3, H, W)` in [0, 1].
        folder: where `preview.png` goes.
        every_n_steps: steps between two previews.
        size: length of the photos' longer side in pixels.
    """

    def __init__(
        self,
        photos: Sequence[Path],
        *,
        paintings: Sequence[Tensor],
        folder: Path,
        every_n_steps: int,
        size: int = 384,
    ):
        super().__init__(every_n_steps)
        pictures = [to_rgb(open_image(path, at_least=2 * size)) for path in photos]
        pictures[0].thumbnail((size, size))
        self.photos = torch.cat([to_tensor(ImageOps.fit(p, pictures[0].size)) for p in pictures])
        self.paintings = paintings
        self.folder = folder

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.once(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.once(trainer, pl_module)

    @rank_zero_only
    def at_step(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if trainer.global_step == 0 and isinstance(trainer.logger, TensorBoardLogger):
            for number, painting in enumerate(self.paintings):
                trainer.logger.experiment.add_image("style", painting[0], number)
        grid = self.save(pl_module)
        if isinstance(trainer.logger, TensorBoardLogger):
            trainer.logger.experiment.add_image("preview", grid, trainer.global_step)

    def save(self, pl_module: Any) -> Tensor:
        """Write `preview.png`, and return it as `(3, H, W)` in [0, 1]."""
        pl_module.eval()  # fixes the noise, as in inference
        with torch.no_grad():  # one photo at a time, which needs no more memory than a step
            place = {"device": pl_module.device, "dtype": pl_module.dtype}
            rows = [
                [p, *(x[0].cpu() for x in pl_module.repaints(p[None].to(**place)))]
                for p in self.photos
            ]
        pl_module.train()
        pictures = [p.float().nan_to_num().clamp(0, 1) for row in rows for p in row]
        grid = make_grid(pictures, nrow=len(rows[0]))
        save_image(to_pil(grid), self.folder / "preview.png")
        return grid


class SaveEvery(EveryNSteps):
    """Writes the training state to one checkpoint file every `every_n_steps` steps.

    Lightning's ModelCheckpoint ranks files by a metric instead, and its record of them must match
    on resuming.
    """

    def __init__(self, path: Path, *, every_n_steps: int):
        super().__init__(every_n_steps)
        self.path = path

    def at_step(self, trainer: pl.Trainer, pl_module: Any) -> None:
        save_state(trainer, self.path)


class ValidationCurve(EveryNSteps):
    """Computes the loss of every style on held-out photos every `every_n_steps` steps.

    The losses are written to `curve.csv` in the run's folder, and logged as `judged/<style>`.
    (Lightning's CSVLogger has one row per step, and deletes its file on a resume.)

    Args:
        photos: picture files.
        folder: where `curve.csv` is written.
        every_n_steps: steps between two measurements.
        size: length of the photos' longer side in pixels. In smaller photos objects are smaller
            than in the crops, and the loss may rise while the training goes well.
    """

    def __init__(
        self, photos: Sequence[Path], *, folder: Path, every_n_steps: int, size: int = 512
    ):
        super().__init__(every_n_steps)
        self.photos = []
        for path in photos:
            photo = to_rgb(open_image(path, at_least=2 * size))
            photo.thumbnail((size, size))
            self.photos.append(to_tensor(photo))
        self.path = folder / "curve.csv"

    @rank_zero_only
    @torch.no_grad()
    @seeded(0)  # the same positions are compared each time
    def at_step(self, trainer: pl.Trainer, pl_module: Any) -> None:
        step = trainer.global_step
        pl_module.eval()
        photos = [photo.to(pl_module.device) for photo in self.photos]
        content = [pl_module.loss.photo_features(photo) for photo in photos]
        rows = []
        for style in pl_module.pictures:
            pl_module.set_target_style(style)
            measured = [
                pl_module.loss(pl_module.average(photo, style).clamp(0, 1), features)
                for photo, features in zip(photos, content, strict=True)
            ]
            means = {
                term: torch.stack([terms[term] for terms in measured]).mean().item()
                for term in measured[0]
            }
            rows.append([step, style, *(f"{mean:.4f}" for mean in means.values())])
            pl_module.logger.log_metrics({f"judged/{style}": means["loss"]}, step)
        pl_module.train()
        fresh = not self.path.is_file()
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([["step", "style", *means]] if fresh else [])
            writer.writerows(rows)


def save_state(trainer: pl.Trainer, path: Path) -> None:
    """Write a checkpoint; at any moment `path` is the whole old file or the whole new one."""
    # Lightning's own temporary file may be on another disk, so it would be copied, not renamed.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        trainer.save_checkpoint(temporary, weights_only=False)
        if trainer.is_global_zero:
            temporary.replace(path)
    finally:
        if trainer.is_global_zero:
            temporary.unlink(missing_ok=True)


class StopOnInterrupt(Callback):
    """On the first Ctrl-C, finishes the step and ends the training as usual, with a checkpoint.

    Lightning's own handling stops in the middle of a step. A second Ctrl-C stops at once. SIGTERM,
    by which clusters and containers end a process, counts as Ctrl-C.
    Afterwards `interrupted` says whether there was a Ctrl-C.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._previous: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        def stop(signum: int, frame: FrameType | None) -> None:
            self.interrupted = True
            self._restore()
            rank_zero_info("\nStopping after this step; press Ctrl-C again to stop at once.")

        if threading.current_thread() is threading.main_thread():  # only it receives signals
            for one in (signal.SIGINT, signal.SIGTERM):
                self._previous[one] = signal.signal(one, stop)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return  # in the middle of a step
        # All processes decide together: one that went on for another step would wait forever.
        stop = trainer.strategy.reduce_boolean_decision(self.interrupted, all=False)
        self.interrupted = bool(stop)
        trainer.should_stop = trainer.should_stop or self.interrupted

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._restore()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._restore()

    def _restore(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())

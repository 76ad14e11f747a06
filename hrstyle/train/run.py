"""One training run, from its parts to the file that people share."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import (
    Callback,
    LearningRateMonitor,
    RichProgressBar,
    TQDMProgressBar,
)
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities import rank_zero_info

from hrstyle.checkpoint import Trained, fingerprint, load_generator, load_source, save_weights
from hrstyle.engine import Painter, repaint
from hrstyle.errors import InputError
from hrstyle.generator.base import Generator
from hrstyle.images.reading import PILImage
from hrstyle.images.writing import save_image
from hrstyle.losses import PerceptualLoss
from hrstyle.options import StylizeOptions
from hrstyle.styles.catalogue import Style, StyleSet, names
from hrstyle.train.callbacks import (
    Preview,
    SaveEvery,
    StepProgressBar,
    StopOnInterrupt,
    save_state,
)
from hrstyle.train.data import OnePhoto, PhotoData
from hrstyle.train.module import StyleTransfer
from hrstyle.train.shared import ValidationCurve, SharedStyleTransfer

LAST = "last.ckpt"
BUNDLED = "bundled"
SET_MISMATCH = (
    "a set of styles and the module that trains them together go with each other; give"
    " experiment=together data.root=PHOTOS"
)


def find_checkpoint(
    run_dir: Path,
    ckpt_path: str | Path | None,
    generator: Generator,
    together: Sequence[str] = (),
) -> Path | None:
    """The checkpoint to resume from, or None for a fresh start.

    Args:
        run_dir: the run's folder.
        ckpt_path: a file, `"last"` for the run's own latest, or None.
        generator: what is to be trained, which must be of the checkpoint's kind.
        together: the styles, where several are trained at once; the checkpoint must have the same.

    Raises:
        InputError: there is no such checkpoint, or it does not fit; or a fresh start would
            overwrite what the folder holds.
    """
    last = run_dir / LAST
    path = last if ckpt_path == "last" else Path(ckpt_path).expanduser() if ckpt_path else None
    if path and not path.is_file():
        raise InputError(f"no checkpoint {path} to resume from; without ckpt_path it starts afresh")
    if last.is_file() and not (path and path.samefile(last)):
        raise InputError(
            f"{run_dir} already holds a run; ckpt_path=last goes on with it, and"
            " run_dir=ANOTHER_FOLDER starts a new one beside it"
        )
    trained = load_generator(path, generator) if path else None
    if trained and trained.generator.config != generator.config:
        raise InputError(
            f"{path} was trained with another generator than {generator.config}; give the same"
            " generator settings again"
        )
    if trained and set(trained.together) != set(together):
        raise InputError(
            f"{path} is the state of a training of {', '.join(trained.together) or 'one style'},"
            f" not of {', '.join(together) or 'one style'}; give the same styles again, or another"
            " run_dir without ckpt_path"
        )
    if path and path.suffix != last.suffix:
        raise InputError(f"{path} holds only weights; to resume, give a {last.suffix} file")
    return path


def style_names(style: Style | StyleSet) -> list[str]:
    """Names of the styles that are trained at once; none, where it is one."""
    return [part.name for part in style.parts] if isinstance(style, StyleSet) else []


def start_from(generator: Generator, init: str | Path) -> str:
    """Give `generator` the weights to start from.

    Args:
        generator: takes them over.
        init: `"scratch"` leaves it as it is; `"base"` is the network that the bundled styles were
            grown from; or the name of a style, or a file of trained weights. `"bundled"`, which is
            for several styles at once, leaves it as it is too: see `SharedGenerator`.

    Returns:
        The base that the result has in common with others, see `hrstyle.checkpoint.Trained`.

    Raises:
        InputError: no such weights, or those of another generator.
    """
    if init in ("scratch", BUNDLED):
        return ""
    start = _load_matching(init, generator)
    generator.load_state_dict(start.generator.state_dict())
    return start.base or fingerprint(start.generator)


def _load_matching(init: str | Path, generator: Generator) -> Trained:
    start = load_source(init, generator)
    if start.generator.config != generator.config:
        raise InputError(
            f"init={init} holds the weights of {start.generator.config}, which do not fit"
            f" {generator.config}; add init=scratch to start this one from nothing"
        )
    return start


def paint(weights: Path, photo: Path, *, like: Generator, device: torch.device) -> PILImage:
    """A photo, repainted in its own size by what a file holds, a generator like that one."""
    generator = load_generator(weights, like).generator
    painter = Painter(generator, device=device, dtype="float32", engine="torch")
    painted = repaint(painter, photo, StylizeOptions())
    assert isinstance(painted, PILImage)
    return painted


def _use_step_progress_bar(trainer: pl.Trainer) -> None:
    """Put `StepProgressBar` in the place of Lightning's own bar, where it has one."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    for place, bar in enumerate(callbacks):
        if type(bar) is TQDMProgressBar or type(bar) is RichProgressBar:  # not someone's own
            callbacks[place] = StepProgressBar(int(bar.refresh_rate))


def train(
    *,
    style: Style | StyleSet,
    data: PhotoData | OnePhoto,
    generator: Generator,
    loss: PerceptualLoss,
    run_dir: Path,
    trainer: Callable[..., pl.Trainer],
    module: Callable[..., StyleTransfer] = StyleTransfer,
    preview_every_n_steps: int = 100,
    checkpoint_every_n_steps: int = 100,
    init: str | Path = "base",
    ckpt_path: str | Path | None = None,
) -> Path | None:
    """Train `generator` on a style and write what is worth keeping to `run_dir`.

    With a `StyleSet` and a `SharedStyleTransfer`, all its styles are trained together and each gets
    its small file, as does the base that they have in common.

    There is `last.ckpt` to resume from and, of one style, to load, `tensorboard/`, `preview.png`,
    and once all steps are done `<style>.safetensors`, the small file to share; after training on
    one photo also `<photo>-<style>.png`, its repaint.

    Args:
        trainer: builds Lightning's Trainer, such as `partial(Trainer, max_steps=2000)`; it is
            called with `callbacks`, `logger` and `enable_checkpointing`.
        module: builds the LightningModule from `generator` and `loss`, and by their names `style`,
            `credit` and `base`, of several styles also `pictures` and perhaps `starts`: a class, or
            anything that calls it.
        init: where a fresh start takes its weights from, see `start_from`; those that `generator`
            came with are lost unless it is `"scratch"`.
        ckpt_path: a checkpoint to resume from, which brings weights, optimiser, schedule and step;
            `"last"` is the one in `run_dir`.

    Returns:
        Path of the small file (of their folder, with several styles), or None if Ctrl-C ended the
        training before its last step.

    Raises:
        InputError: a setting or file that cannot be used.
        NonFiniteError: the training diverged; the last good checkpoint is still there.
    """
    if min(preview_every_n_steps, checkpoint_every_n_steps) < 1:
        raise InputError(
            f"preview_every_n_steps={preview_every_n_steps} and checkpoint_every_n_steps="
            f"{checkpoint_every_n_steps} must be at least 1"
        )
    together = isinstance(style, StyleSet)
    kind = module.func if isinstance(module, partial) else module
    if isinstance(kind, type) and issubclass(kind, SharedStyleTransfer) is not together:
        raise InputError(SET_MISMATCH)
    if init == BUNDLED and not together:
        raise InputError("init=bundled starts several styles together; give the name of one style")
    resume_from = find_checkpoint(run_dir, ckpt_path, generator, style_names(style))
    run_dir.mkdir(parents=True, exist_ok=True)
    base = (
        load_generator(resume_from, generator).base if resume_from else start_from(generator, init)
    )
    known: dict[str, Any] = {"style": style.name, "credit": style.credit, "base": base}
    first = style.parts[0].load()
    if isinstance(style, StyleSet):
        known["pictures"] = style.parts
        if init == BUNDLED and not resume_from:
            grown = {
                part.name: _load_matching(part.name, generator)
                for part in style.parts
                if part.name in names()
            }
            known["starts"] = {name: trained.generator for name, trained in grown.items()}
            bases = {trained.base for trained in grown.values()}
            known["base"] = bases.pop() if len(bases) == 1 else ""
    model = module(generator, loss, **known)
    if isinstance(model, SharedStyleTransfer) is not together:
        raise InputError(SET_MISMATCH)
    interrupt = StopOnInterrupt()
    callbacks: list[Callback] = [
        interrupt,
        LearningRateMonitor(logging_interval="step"),
        Preview(
            data.preview_paths,
            style=first,
            folder=run_dir,
            every_n_steps=preview_every_n_steps,
        ),
        SaveEvery(run_dir / LAST, every_n_steps=checkpoint_every_n_steps),
    ]
    if isinstance(model, SharedStyleTransfer):
        callbacks.append(
            ValidationCurve(data.preview_paths, folder=run_dir, every_n_steps=preview_every_n_steps)
        )
    logger = TensorBoardLogger(run_dir, name="tensorboard", version="", default_hp_metric=False)
    try:
        lightning_trainer = trainer(callbacks=callbacks, logger=logger, enable_checkpointing=False)
    except (TypeError, ValueError, MisconfigurationException) as error:
        raise InputError(f"trainer: {error}") from error
    _use_step_progress_bar(lightning_trainer)
    if lightning_trainer.max_steps < 1:
        raise InputError(
            f"trainer.max_steps={lightning_trainer.max_steps} must be a positive number of steps"
        )
    if not isinstance(style, StyleSet):
        loss.set_style(first)  # which takes seconds, so what is wrong above is said before
    if isinstance(model, SharedStyleTransfer) and isinstance(
        lightning_trainer.strategy, DDPStrategy
    ):
        # A step uses the weights of one style.
        lightning_trainer.strategy._ddp_kwargs["find_unused_parameters"] = True
    lightning_trainer.fit(model, data, ckpt_path=resume_from, weights_only=True)
    save_state(lightning_trainer, run_dir / LAST)
    if interrupt.interrupted:
        rank_zero_info(
            f"Stopped at step {lightning_trainer.global_step}; to go on, add ckpt_path=last."
        )
        return None
    if isinstance(model, SharedStyleTransfer):
        if lightning_trainer.is_global_zero:
            model.save_styles(run_dir)
        return run_dir
    path = run_dir / f"{style.name}.safetensors"
    if lightning_trainer.is_global_zero:
        save_weights(path, generator, **known)
        for photo in data.repaint_paths:
            repaint = run_dir / f"{photo.stem}-{style.name}.png"
            painted = paint(
                path, photo, like=generator, device=lightning_trainer.strategy.root_device
            )
            save_image(painted, repaint)
            rank_zero_info(f"Repainted {photo}: {repaint}")
    rank_zero_info(f"Trained {style.name}: hrstyle stylize PHOTO -o RESULT.png --style {path}")
    return path

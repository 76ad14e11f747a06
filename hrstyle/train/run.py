"""One training run, from its parts to the weights file."""

from collections.abc import Callable
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
    Timer,
    TQDMProgressBar,
)
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from hrstyle.checkpoint import GENERATORS, load_generator, save_weights
from hrstyle.engine import Painter, repaint
from hrstyle.engine.options import DEFAULTS, StylizeOptions
from hrstyle.errors import InputError
from hrstyle.generator.base import Generator
from hrstyle.generator.colours import COUNT, match_colours as give_colours
from hrstyle.images.reading import PILImage
from hrstyle.images.writing import save_image
from hrstyle.losses import PerceptualLoss
from hrstyle.styles.catalogue import Style, StyleSet
from hrstyle.train.callbacks import (
    Preview,
    SaveEvery,
    StepProgressBar,
    StopOnInterrupt,
    ValidationCurve,
    save_state,
)
from hrstyle.train.data import OnePhoto, PhotoData
from hrstyle.train.module import StyleTransfer
from hrstyle.train.shared import SharedStyleTransfer
from hrstyle.train.start import (
    BUNDLED,
    LAST,
    bundled_starts,
    find_checkpoint,
    start_from,
)

SET_MISMATCH = (
    "a set of styles needs the module that trains several styles, and one style must not have it;"
    " for a set, give experiment=together data.root=PHOTOS"
)


def paint(
    weights: Path,
    photo: Path,
    *,
    like: Generator,
    device: torch.device,
    options: StylizeOptions = DEFAULTS,
) -> PILImage:
    """Repaint a photo in its own size with a file of weights for a generator `like` this one."""
    generator = load_generator(weights, like).generator
    painter = Painter(generator, device=device, dtype="float32", engine="torch")
    painted = repaint(painter, photo, options)
    assert isinstance(painted, PILImage)
    return painted


def _use_step_progress_bar(trainer: pl.Trainer) -> None:
    """Replace Lightning's own progress bar, if there is one, by `StepProgressBar`."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    for place, bar in enumerate(callbacks):
        if type(bar) is TQDMProgressBar or type(bar) is RichProgressBar:  # not a user's subclass
            callbacks[place] = StepProgressBar(int(bar.refresh_rate))


def _steps_done(trainer: pl.Trainer) -> str:
    """How far a training came that ended early, such as by `max_time`; says how to go on."""
    step, total = trainer.global_step, trainer.max_steps
    if step >= total:
        return ""
    is_timed = any(isinstance(part, Timer) for part in trainer.callbacks)  # type: ignore[attr-defined]
    # The time of the run so far counts, too.
    longer = " and a longer trainer.max_time" if is_timed else ""
    rank_zero_info(f"Stopped at step {step} of {total}; to go on, add ckpt_path=last{longer}.")
    return f" for {step} of {total} steps"


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
    match_colours: bool = True,
    stylize: StylizeOptions = DEFAULTS,
) -> Path | None:
    """Train `generator` on a style and write the results to `run_dir`.

    During training these are `last.ckpt` (to resume from; of a single style it can also be loaded),
    `tensorboard/` and `preview.png`. After the last step follows `<style>.safetensors`, the small
    file of weights, with matched colours, and after training on one photo also its repaint,
    `<photo>-<style>.png`.

    With a `StyleSet` and a `SharedStyleTransfer`, all styles of the set are trained in one network.
    Each gets a `<style>.safetensors`, and so does their common base.

    Args:
        style: one style, or a set of them.
        data: the photos to train on.
        generator: the network to train.
        loss: the objective; its style is set here.
        run_dir: the folder for the results.
        trainer: builds Lightning's Trainer, such as `partial(Trainer, max_steps=2000)`; it is
            called with `callbacks`, `logger` and `enable_checkpointing`.
        module: builds the LightningModule: a class, or a function that calls it. Its arguments are
            `generator` and `loss`, and the keywords `style`, `credit` and `base`; for several
            styles also `pictures`, and `starts` with `init="bundled"`.
        preview_every_n_steps: steps between two previews.
        checkpoint_every_n_steps: steps between two checkpoints.
        init: the initial weights of a new run, see `start_from`. They replace those of `generator`
            unless `init` is `"scratch"`.
        ckpt_path: a checkpoint to resume from, with weights, optimiser, schedule and step; `"last"`
            is the one in `run_dir`.
        match_colours: give the saved networks the painting's mean colour and colour covariance, see
            `hrstyle.generator.colours`.
        stylize: how the photo is repainted after training on one photo.

    Returns:
        The path of the weights file, or of its folder with several styles; None if Ctrl-C ended the
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
        raise InputError("init=bundled is for several styles at once; give the name of one style")
    resumed = find_checkpoint(run_dir, ckpt_path, generator, style)
    run_dir.mkdir(parents=True, exist_ok=True)
    base = resumed[1].base if resumed else start_from(generator, init)
    keywords: dict[str, Any] = {"style": style.name, "credit": style.credit, "base": base}
    paintings = style.parts[0].load_all()
    if isinstance(style, StyleSet):
        keywords["pictures"] = style.parts
        if init == BUNDLED and not resumed:
            keywords["starts"], keywords["base"] = bundled_starts(style.parts, generator)
    model = module(generator, loss, **keywords)
    if isinstance(model, SharedStyleTransfer) is not together:
        raise InputError(SET_MISMATCH)
    interrupt = StopOnInterrupt()
    preview = Preview(
        data.preview_paths,
        paintings=paintings,
        folder=run_dir,
        every_n_steps=preview_every_n_steps,
    )
    callbacks: list[Callback] = [
        interrupt,
        LearningRateMonitor(logging_interval="step"),
        preview,
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
        loss.set_style(*paintings)  # takes seconds, so it comes after the checks
    if isinstance(model, SharedStyleTransfer) and isinstance(
        lightning_trainer.strategy, DDPStrategy
    ):
        # A step leaves the parameters of all other styles unused.
        lightning_trainer.strategy._ddp_kwargs["find_unused_parameters"] = True
    lightning_trainer.fit(model, data, ckpt_path=resumed and resumed[0], weights_only=True)
    save_state(lightning_trainer, run_dir / LAST)
    if interrupt.interrupted:
        rank_zero_info(
            f"Stopped at step {lightning_trainer.global_step}; to go on, add ckpt_path=last."
        )
        return None
    done = _steps_done(lightning_trainer)
    photos: list[Tensor] = []
    # Data from outside the package may have no `some_crops`.
    if match_colours and lightning_trainer.is_global_zero and hasattr(data, "some_crops"):
        photos = data.some_crops(COUNT)
    if isinstance(model, SharedStyleTransfer):
        if lightning_trainer.is_global_zero:
            model.save_styles(run_dir, photos)
        return run_dir
    path = run_dir / f"{style.name}.safetensors"
    if lightning_trainer.is_global_zero:
        save_weights(path, generator, **keywords)  # first, so that nothing below loses them
        if photos:
            weight = loss.style_weight
            if not give_colours(generator.float(), photos, paintings, style_weight=weight):
                rank_zero_info("The network's last convolution is not its result: colours stay.")
            save_weights(path, generator, **keywords)
            preview.save(model)
        for photo in data.repaint_paths:
            result = run_dir / f"{photo.stem}-{style.name}.png"
            device = lightning_trainer.strategy.root_device
            painted = paint(path, photo, like=generator, device=device, options=stylize)
            save_image(painted, result)
            rank_zero_info(f"Repainted {photo}: {result}")
    rank_zero_info(f"Trained {style.name}{done}: {_how_to_use(path, generator, stylize)}")
    return path


def _how_to_use(weights: Path, generator: Generator, options: StylizeOptions) -> str:
    if generator.config.get("name") not in GENERATORS:
        return f"hrstyle.checkpoint.load_generator({str(weights)!r}, like=YOUR_GENERATOR)"
    size = "" if options.stroke_size is None else f" --stroke-size {options.stroke_size:g}"
    brush = "" if options.brush else " --no-brush"
    return f"hrstyle stylize PHOTO -o RESULT.png --style {weights}{size}{brush}"

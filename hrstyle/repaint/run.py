"""One job: a folder in, a folder out."""

import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities import rank_zero_info

import hrstyle
from hrstyle.errors import InputError
from hrstyle.files import write_atomically
from hrstyle.images.writing import check_quality
from hrstyle.options import StylizeOptions
from hrstyle.repaint.module import Repainter
from hrstyle.repaint.photos import Photos

FAILED = "failed.jsonl"
NOTHING: Mapping[str, Any] = MappingProxyType({})
USUAL = StylizeOptions()
SETTINGS = ".hrstyle.json"
"""Written beside the results, so that those of two styles do not mix."""
PATIENCE = timedelta(days=7)
"""How long a process that is done waits for the slowest one."""


def repaint(
    *,
    style: str | Mapping[str, float],
    data: Photos,
    trainer: Callable[..., pl.Trainer] = pl.Trainer,
    load: Mapping[str, Any] = NOTHING,
    stylize: StylizeOptions = USUAL,
    save: Mapping[str, Any] = NOTHING,
) -> dict[str, int]:
    """Repaint all photos of a folder. What is there already is skipped.

    So the same call after a kill does the rest. A photo that cannot be repainted stops nothing;
    `failed.jsonl` in the output folder names it and says why.

    Args:
        style: see `hrstyle.load`.
        data: the photos, and where their results go.
        trainer: builds Lightning's Trainer, such as `partial(Trainer, devices=2)`.
        load: keywords of `hrstyle.load`, without `device`, which is Lightning's to choose.
        stylize: how.
        save: keywords of `hrstyle.images.save_image`.

    Returns:
        How many photos were `"repainted"`, `"skipped"` and have `"failed"`, in all processes.

    Raises:
        InputError: a setting that cannot be used; results of other settings in the folder; or
            results that cannot be written.
        KeyboardInterrupt: Ctrl-C; what is written is whole.
    """
    check_quality(save.get("quality"))
    settings = trainer.keywords if isinstance(trainer, partial) else {}
    shown = settings.get("enable_progress_bar")
    try:
        engine = trainer(
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            use_distributed_sampler=False,  # Photos deals them out itself
            enable_progress_bar=sys.stderr.isatty() if shown is None else shown,
        )
    except (TypeError, ValueError, MisconfigurationException) as error:
        raise InputError(f"trainer: {error}") from error
    if engine.world_size > len(data.pairs):
        raise InputError(
            f"{engine.world_size} processes for {len(data.pairs)} photos; give trainer.devices and"
            " trainer.num_nodes that make no more of them than there are photos"
        )
    if isinstance(engine.strategy, DDPStrategy):
        engine.strategy._timeout = PATIENCE  # no argument of Trainer's says it
    stylizer = hrstyle.load(style, device=engine.strategy.root_device, **load)
    known = {"style": style, **load, **asdict(stylize), **save}
    _claim(data.output, known, engine.is_global_zero)
    model = Repainter(stylizer, failures=data.output / FAILED, stylize=stylize, save=save)
    before = signal.getsignal(signal.SIGINT)
    try:
        engine.predict(model, data, return_predictions=False)
    except SystemExit as stop:  # what Lightning makes of Ctrl-C, which it ignores from then on
        signal.signal(signal.SIGINT, before)
        raise KeyboardInterrupt from stop
    finally:
        model.close()
    counts = {name: int(count) for name, count in model.counts.items()}
    rank_zero_info(f"{data.output}: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    if counts["failed"] and engine.is_global_zero:
        raise InputError(
            f"{counts['failed']} of {sum(counts.values())} photos could not be repainted;"
            f" {data.output / FAILED} names them"
        )
    return counts


def _claim(output: Path, settings: dict[str, Any], first: bool) -> None:
    """Mark the folder as that of these settings; the first process forgets earlier failures."""
    mark, text = output / SETTINGS, json.dumps(settings, default=str, sort_keys=True)
    try:
        found = mark.read_text() if mark.exists() else text
    except OSError as error:
        raise InputError(f"cannot read {mark}: {error.strerror}") from error
    if found != text:
        raise InputError(
            f"{output} holds repaints of other settings ({found}); give another output, or delete"
            f" {mark} to go on with these"
        )
    if first:
        write_atomically(mark, text.encode())
        (output / FAILED).unlink(missing_ok=True)

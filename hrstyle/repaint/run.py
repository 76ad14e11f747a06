"""One job: repaint all photos of a folder into another folder."""

import hashlib
import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities import rank_zero_info

import hrstyle
from hrstyle.checkpoint import fingerprint
from hrstyle.engine.options import DEFAULTS, StylizeOptions
from hrstyle.errors import InputError
from hrstyle.files import write_atomically
from hrstyle.images.writing import check_quality, save_image
from hrstyle.repaint.module import Repainter
from hrstyle.repaint.photos import Photos

FAILED = "failed.jsonl"
NO_KEYWORDS: Mapping[str, Any] = MappingProxyType({})
SETTINGS = ".hrstyle.json"
"""A file in the output folder with the settings, so that results of two styles do not mix."""
WEIGHTS = "weights"
"""The key in this file of the `fingerprint` of the network: a file may be trained anew."""
TIMEOUT = timedelta(days=7)
"""How long a process that has finished waits for the slowest one."""


def repaint(
    *,
    style: str | Mapping[str, float],
    data: Photos,
    trainer: Callable[..., pl.Trainer] = pl.Trainer,
    load: Mapping[str, Any] = NO_KEYWORDS,
    stylize: StylizeOptions = DEFAULTS,
    save: Mapping[str, Any] = NO_KEYWORDS,
) -> dict[str, int]:
    """Repaint all photos of a folder, but skip those whose results exist.

    After a kill, the same call repaints the remaining photos. A photo that cannot be repainted does
    not stop the others; `failed.jsonl` in the output folder names it and says why.

    Args:
        style: see `hrstyle.load`.
        data: the photos and the output folder.
        trainer: builds Lightning's Trainer, such as `partial(Trainer, devices=2)`.
        load: keywords of `hrstyle.load`, without `device`, which Lightning chooses.
        stylize: how the photos are repainted.
        save: keywords of `hrstyle.images.save_image`.

    Returns:
        The number of photos that were `"repainted"`, `"skipped"` and `"failed"`, summed over all
        processes.

    Raises:
        InputError: a setting that cannot be used; an output folder with results of other settings;
            or results that cannot be written.
        KeyboardInterrupt: Ctrl-C; the files written so far are whole.
    """
    check_quality(save.get("quality"))
    settings = trainer.keywords if isinstance(trainer, partial) else {}
    shown = settings.get("enable_progress_bar")
    try:
        lightning_trainer = trainer(
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            use_distributed_sampler=False,  # Photos splits them between the processes
            enable_progress_bar=sys.stderr.isatty() if shown is None else shown,
        )
    except (TypeError, ValueError, MisconfigurationException) as error:
        raise InputError(f"trainer: {error}") from error
    if lightning_trainer.world_size > len(data.jobs):
        raise InputError(
            f"{lightning_trainer.world_size} processes for {len(data.jobs)} photos; choose fewer"
            " trainer.devices or trainer.num_nodes, so that each process has a photo"
        )
    if isinstance(lightning_trainer.strategy, DDPStrategy):
        lightning_trainer.strategy._timeout = TIMEOUT  # Trainer has no argument for it
    stylizer = hrstyle.load(style, device=lightning_trainer.strategy.root_device, **load)
    # With the defaults, so that a setting left out equals one given with its default.
    complete = {"style": style, WEIGHTS: fingerprint(stylizer.generator)}
    complete |= {**_complete(hrstyle.load, load), **_described(stylize)}
    complete |= _complete(save_image, save)
    _claim_folder(data.output, complete, is_first=lightning_trainer.is_global_zero)
    model = Repainter(stylizer, failures=data.output / FAILED, stylize=stylize, save=save)
    before = signal.getsignal(signal.SIGINT)
    try:
        lightning_trainer.predict(model, data, return_predictions=False)
    except SystemExit as stop:  # Lightning turns Ctrl-C into it, and ignores further ones
        signal.signal(signal.SIGINT, before)
        raise KeyboardInterrupt from stop
    finally:
        model.close()
    counts = {name: int(count) for name, count in model.counts.items()}
    rank_zero_info(f"{data.output}: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    return counts


def _described(options: StylizeOptions) -> dict[str, Any]:
    """The options by name; a mask is described by its size and a hash of its pixels."""
    described = asdict(replace(options, mask=None))
    if options.soft_mask:
        picture = options.soft_mask.picture
        digest = hashlib.sha256(picture.tobytes()).hexdigest()
        described["mask"] = f"{picture.width}x{picture.height} {digest[:16]}"
    return described


def _complete(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords given to a function, and its defaults for the others, without the device."""
    defaults = {
        name: parameter.default
        for name, parameter in signature(function).parameters.items()
        if parameter.default is not parameter.empty and name != "device"
    }
    return defaults | dict(given)


def _claim_folder(output: Path, settings: dict[str, Any], *, is_first: bool) -> None:
    """Check that the folder's results have these settings; the first process writes them there.

    It also deletes the list of an earlier run's failures.

    Raises:
        InputError: the folder holds results of other settings.
    """
    path, text = output / SETTINGS, json.dumps(settings, default=_plain, sort_keys=True)
    try:
        found = path.read_text("utf-8", errors="replace") if path.exists() else text
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    parsed = _parsed(found)
    if isinstance(parsed, dict):
        parsed.setdefault(WEIGHTS, settings[WEIGHTS])  # older versions did not write it
    if parsed != json.loads(text):
        raise InputError(
            f"{output} holds repaints of other settings or weights ({found}); give another output,"
            f" or delete {path} to continue with the new settings"
        )
    if is_first:
        write_atomically(path, text.encode(), durable=True)
        (output / FAILED).unlink(missing_ok=True)


def _plain(value: object) -> str:
    """What JSON has no type for, such as a path or a dtype, as the command line spells it."""
    return str(value).removeprefix("torch.")


def _parsed(text: str) -> Any:
    """JSON as Python compares it: 1, 1.0 and true are one value; None if it is damaged."""
    try:
        return json.loads(text)
    except ValueError:
        return None

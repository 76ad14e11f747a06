"""`python -m hrstyle.train`: Hydra composes a config, and its parts are built and trained.

This is the only module that knows Hydra. Every default has its home in the signature of the Python
class or function that takes it: `register_signatures` offers these to Hydra as config nodes under
`signature/`, on which the YAML files of configs/ build.
"""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, InstantiationException, OverrideParseException
from hydra.utils import instantiate
from hydra_zen import builds
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import (
    InterpolationKeyError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
)
from pytorch_lightning.utilities import rank_zero_info, rank_zero_only

from hrstyle import generator, paper
from hrstyle.errors import InputError, NonFiniteError
from hrstyle.losses import PerceptualLoss
from hrstyle.styles import CONFIGS, Style, StyleSet
from hrstyle.train import data
from hrstyle.train.memory import keep_freed_memory
from hrstyle.train.module import StyleTransfer
from hrstyle.train.run import TOGETHER, find_checkpoint, train
from hrstyle.train.shared import SharedStyleTransfer


def register_signatures() -> None:
    """Make each constructor's keywords and defaults known to Hydra.

    In the config group that builds on them, as `signature/<the constructor's name>`.
    """

    def offer(group: str, target: Callable[..., Any], **options: Any) -> None:
        node = builds(target, populate_full_signature=True, **options)
        store = ConfigStore.instance().store
        store(group=f"{group}/signature", name=target.__name__, node=node)

    offer("style", Style)
    offer("style", StyleSet)
    offer("loss", PerceptualLoss)
    offer("generator", generator.pyramid)
    offer("generator", paper.paper)
    offer("data", data.OnePhoto)
    # These pass their further keywords on to PhotoData; a dataclass that inherits defaults must
    # give its required fields one, too.
    crops = builds(
        data.PhotoData, populate_full_signature=True, zen_exclude=("paths", "preview_paths")
    )
    offer("data", data.samples, builds_bases=(crops,))
    offer("data", data.folder, builds_bases=(crops,), root=MISSING)
    # These need parts that are only built later.
    parts = ("generator", "loss", "style", "credit", "base")
    alone = builds(StyleTransfer, populate_full_signature=True, zen_exclude=parts)
    offer("module", StyleTransfer, zen_partial=True, zen_exclude=parts)
    # Passes its further keywords on to StyleTransfer.
    offer(
        "module",
        SharedStyleTransfer,
        zen_partial=True,
        zen_exclude=(*parts, "pictures"),
        builds_bases=(alone,),
    )
    passed = ("callbacks", "logger", "enable_checkpointing")
    # The data never end, so there are no epochs; max_steps says how long to train.
    epochs = ("max_epochs", "min_epochs", "limit_train_batches", "overfit_batches", "fast_dev_run")
    offer("trainer", pl.Trainer, zen_partial=True, zen_exclude=(*passed, *epochs))
    OmegaConf.register_new_resolver("stem", lambda path: Path(path).stem, replace=True)


def quieten() -> None:
    """Show warnings as plain sentences, without those that are wrong here or nobody can mend."""
    warnings.formatwarning = lambda message, *where: f"hrstyle.train: {message}\n"
    for message in (
        r"Found \d+ module\(s\) in eval mode",  # the loss network, on purpose
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 on a recent torch
        r"The '?train_dataloader'? does not have many workers",
    ):
        warnings.filterwarnings("ignore", message=message)
    # An advertisement for a paid service at the start of every run.
    advice = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    advice.addFilter(lambda record: "litlogger" not in record.getMessage())


def explain(error: Exception) -> str:
    """What went wrong, as one sentence for the person at the command line."""
    cause = error.__cause__
    if isinstance(error, InstantiationException) and isinstance(cause, Exception):
        constructor = str(error).splitlines()[0].removesuffix(":")
        return explain(cause) if isinstance(cause, InputError) else f"{constructor}: {cause}"
    if isinstance(error, InterpolationToMissingValueError) and "data.content" in str(error):
        return "no photo given; add data.content=PHOTO"
    if isinstance(error, InterpolationToMissingValueError):
        return "no style given; add style=NAME (--help lists them) or style.image=MY_PAINTING.jpg"
    if isinstance(error, InterpolationKeyError) and "style.style_weight" in str(error):
        return TOGETHER
    if isinstance(error, OverrideParseException):
        return (
            f"cannot read {error.override}; put quotes around a value with special characters, and"
            " others around it all: 'style.image=\"my painting (1).jpg\"'"
        )
    if isinstance(error, OmegaConfBaseException | HydraException):
        # What Hydra adds is about its folders, or how to add a key that nothing here would take.
        sentence = str(error).split("Config search path")[0].split("To append to your config")[0]
        if sentence.startswith("Error merging") and cause is not None:
            sentence += f": {str(cause).splitlines()[0]}"
        sentence = " ".join(sentence.split()).strip(" .")
        return (
            f"{sentence}; `python -m hrstyle.train --cfg job` shows every key, `--help` the usual"
        )
    # An error in a process that reads photos comes with that process's traceback.
    return str(error).rsplit("InputError: ", 1)[-1].removesuffix("\\n").strip()


def changed_settings(before: Any, after: Any, prefix: str = "") -> list[str]:
    """The settings that differ between two configs, as `key=value (was …)`."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in after if key not in ("ckpt_path", "run_dir", "init")]
        nested = (changed_settings(before.get(k), after[k], f"{prefix}.{k}") for k in keys)
        return [line for lines in nested for line in lines]
    return [] if before == after else [f"{prefix.removeprefix('.')}={after} (was {before})"]


@contextmanager
def bad_input_exits() -> Iterator[None]:
    """Turn what the user can mend into one sentence on stderr and exit code 2."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)  # as after any Ctrl-C
    except NonFiniteError as error:
        sys.exit(f"hrstyle.train: {error}")  # exit code 1: the input was fine
    except (
        InputError,
        HydraException,
        OmegaConfBaseException,
        MisconfigurationException,
        OSError,  # a folder that is not writable, a disk that is full
    ) as error:
        print(f"hrstyle.train: {explain(error)}", file=sys.stderr)
        sys.exit(2)


@bad_input_exits()  # here as well as in main, because Hydra prints what leaves a job
def run(config: DictConfig) -> None:
    """One job: build what the config describes, keep the config beside it, and train."""
    missing = OmegaConf.missing_keys(config)
    if missing:
        raise InputError(f"{', '.join(sorted(missing))} must be given, as KEY=VALUE")
    pl.seed_everything(config.seed, workers=True, verbose=False)
    parts = instantiate(config, _convert_="all")
    del parts["seed"]
    unknown = parts.keys() - signature(train).parameters.keys()
    if unknown:
        raise InputError(f"{', '.join(sorted(unknown))}: there is no such setting")
    parts["run_dir"] = run_dir = Path(parts["run_dir"]).expanduser()

    # Checked here as well as in train: the config of another run must not be overwritten either.
    resumed = find_checkpoint(run_dir, config.ckpt_path, parts["generator"]) is not None
    plain, file = OmegaConf.to_container(config, resolve=True), run_dir / "config.yaml"
    if resumed and file.is_file():
        changes = changed_settings(OmegaConf.to_container(OmegaConf.load(file)), plain)
        if changes:
            rank_zero_info(f"Resuming with other settings than before: {', '.join(changes)}")
    run_dir.mkdir(parents=True, exist_ok=True)
    rank_zero_only(OmegaConf.save)(OmegaConf.create(plain), file)
    if train(**parts) is None:
        raise KeyboardInterrupt  # so that a sweep does not go on to its next job


@bad_input_exits()
def main() -> None:
    """Compose the config from the command line and run its job or jobs."""
    register_signatures()
    quieten()
    keep_freed_memory()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors come to us, not to Hydra's printer
    hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")(run)()


if __name__ == "__main__":
    main()

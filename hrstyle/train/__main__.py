"""`python -m hrstyle.train` or `hrstyle train`: build what the Hydra config describes, and train.

Only this module, `hrstyle.entry` and `hrstyle.repaint.__main__` use Hydra.
"""

import os
import re
from inspect import signature
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.errors import MissingConfigException, OverrideParseException
from hydra.utils import instantiate
from hydra_zen import builds
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError
from pytorch_lightning.utilities import rank_zero_info, rank_zero_only

from hrstyle import entry
from hrstyle.engine.options import StylizeOptions
from hrstyle.entry import (
    bad_input_exits,
    register_config,
    register_trainer,
    require_all,
    run_program,
    simplify_warnings,
)
from hrstyle.errors import InputError
from hrstyle.files import write_atomically
from hrstyle.generator.paper_network import paper
from hrstyle.generator.pyramid_network import pyramid
from hrstyle.images.formats import trust_files
from hrstyle.losses import PerceptualLoss, objectives
from hrstyle.styles.catalogue import CONFIGS, Style, StyleSet
from hrstyle.styles.pictures import name_after
from hrstyle.train import data
from hrstyle.train.memory import keep_freed_memory
from hrstyle.train.module import StyleTransfer
from hrstyle.train.run import train
from hrstyle.train.shared import SharedStyleTransfer
from hrstyle.train.start import LAST, find_checkpoint

PROGRAM = "hrstyle.train"
_STYLES_TEXTS = (
    "image",
    "name",
    "sha256",
    "member",
    "title",
    "artist",
    "year",
    "source",
    "licence",
)
TEXTS = (
    *(f"style.{name}" for name in _STYLES_TEXTS),
    *(f"style.pictures.*.{name}" for name in _STYLES_TEXTS),
    *("data.root", "data.content", "run_dir", "init", "ckpt_path", "trainer.default_root_dir"),
    *("loss.vgg_weights", "stylize.mask"),
)
"""Settings whose values are texts, such as the names of files."""


def register_signatures() -> None:
    """Register the constructors that configs name, see `hrstyle.entry.register_config`."""
    register_config("", StylizeOptions)
    register_config("style", Style)
    register_config("style", StyleSet)
    # The objectives pass their further keywords on to PerceptualLoss.
    loss = builds(PerceptualLoss, populate_full_signature=True, zen_exclude=("terms",))
    register_config("loss", objectives.painterly, builds_bases=(loss,))
    register_config("loss", objectives.gram, builds_bases=(loss,))
    register_config("generator", pyramid)
    register_config("generator", paper)
    register_config("data", data.OnePhoto)
    # These pass their further keywords on to PhotoData. `root` needs a default, MISSING, because
    # the fields that the dataclass inherits have defaults.
    crops = builds(
        data.PhotoData, populate_full_signature=True, zen_exclude=("paths", "preview_paths")
    )
    register_config("data", data.samples, builds_bases=(crops,))
    register_config("data", data.folder, builds_bases=(crops,), root=MISSING)
    # Keywords that `train` fills in.
    filled_in = ("generator", "loss", "style", "credit", "base")
    module_defaults = builds(StyleTransfer, populate_full_signature=True, zen_exclude=filled_in)
    register_config("module", StyleTransfer, zen_partial=True, zen_exclude=filled_in)
    # Passes its further keywords on to StyleTransfer.
    register_config(
        "module",
        SharedStyleTransfer,
        zen_partial=True,
        zen_exclude=(*filled_in, "pictures"),
        builds_bases=(module_defaults,),
    )
    set_by_train = ("callbacks", "logger", "enable_checkpointing")
    # The data are endless, so there are no epochs; max_steps is the length of a training.
    epochs = ("max_epochs", "min_epochs", "limit_train_batches", "overfit_batches", "fast_dev_run")
    register_trainer("trainer", *set_by_train, *epochs)
    OmegaConf.register_new_resolver("stem", name_after, replace=True)


def explain(error: Exception, program: str) -> str:
    """`hrstyle.entry.explain`, and sentences for settings that a training lacks."""
    if isinstance(error, InterpolationToMissingValueError) and "data.content" in str(error):
        return "no photo given; add data.content=PHOTO"
    if isinstance(error, InterpolationToMissingValueError):
        return "no style given; add style=NAME (--help lists them) or style.image=MY_PAINTING.jpg"
    if isinstance(error, OverrideParseException | MissingConfigException):
        unread = getattr(error, "override", None) or getattr(error, "missing_cfg_file", "")
        style = re.fullmatch(r"style[=/](.*)", str(unread))
        if style and _is_file_like(style[1]):
            return (
                f"style={style[1]} is not the name of a style; if it is a picture, did you mean"
                f" style.image={style[1]}?"
            )
    return entry.explain(error, program)


def meant(word: str) -> str:
    """The setting that a word without a key is most likely meant for."""
    if not _is_file_like(word):
        return f"style={word}"
    return f"ckpt_path={word}" if Path(word).suffix == Path(LAST).suffix else f"style.image={word}"


def _is_file_like(word: str) -> bool:
    return bool(Path(word).suffix) or os.path.lexists(word)


def changed_settings(before: Any, after: Any, prefix: str = "") -> list[str]:
    """Settings that differ between two configs, each as `key=value (was …)`."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = dict.fromkeys((*after, *before))  # in their order
        left_out = ("ckpt_path", "run_dir", "init")
        nested = (
            changed_settings(before.get(key), after.get(key), f"{prefix}.{key}")
            for key in keys
            if key not in left_out
        )
        return [line for lines in nested for line in lines]
    return [] if before == after else [f"{prefix.removeprefix('.')}={after} (was {before})"]


def run(config: DictConfig) -> None:
    """One job: build what the config describes, save the config in the run's folder, and train."""
    seed = config.get("seed")  # first, because other settings take their seed from it
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError(f"seed={seed} must be a whole number from 0 to 2**32 - 1")
    require_all(config)
    if config.run_dir is None:
        raise InputError("run_dir=null is no folder; give run_dir=FOLDER, or leave it out")
    trust_files()
    pl.seed_everything(seed, workers=True, verbose=False)
    parts = instantiate(config, _convert_="all")
    del parts["seed"]
    known = signature(train).parameters
    needed = {name for name, value in known.items() if value.default is value.empty}
    if missing := needed - parts.keys():
        raise InputError(f"{', '.join(sorted(missing))} cannot be left out")
    if unknown := parts.keys() - known.keys():
        raise InputError(f"{', '.join(sorted(unknown))}: there is no such setting")
    parts["run_dir"] = run_dir = Path(str(parts["run_dir"])).expanduser()

    # Also checked in `train`; here before the config of another run would be overwritten.
    resumed = find_checkpoint(run_dir, config.ckpt_path, parts["generator"], parts["style"])
    plain, file = OmegaConf.to_container(config, resolve=True), run_dir / "config.yaml"
    if resumed and file.is_file():
        changes = changed_settings(OmegaConf.to_container(OmegaConf.load(file)), plain)
        if changes:
            rank_zero_info(f"Resuming with changed settings: {', '.join(changes)}")
    run_dir.mkdir(parents=True, exist_ok=True)
    write = rank_zero_only(write_atomically)
    before = file.read_bytes() if file.is_file() else b""
    write(file, OmegaConf.to_yaml(OmegaConf.create(plain)).encode())
    try:
        result = train(**parts)
    except InputError:
        if before:  # these settings did not train anything
            write(file, before)
        raise
    if result is None:
        raise KeyboardInterrupt  # ends a sweep, too


@bad_input_exits(PROGRAM, explain)
def main() -> None:
    """Compose the config from the command line and run its job or jobs."""
    register_signatures()
    simplify_warnings(PROGRAM)
    keep_freed_memory()
    run_program(
        run,
        program=PROGRAM,
        folder=CONFIGS,
        config="train",
        texts=TEXTS,
        meant=meant,
        explain=explain,
    )


if __name__ == "__main__":
    main()

"""`python -m hrstyle.train`: Hydra composes a config, and its parts are built and trained.

Only this module, `hrstyle.entry` and `hrstyle.repaint.__main__` know Hydra.
"""

import os
from inspect import signature
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
from hydra.utils import instantiate
from hydra_zen import builds
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, InterpolationToMissingValueError
from pytorch_lightning.utilities import rank_zero_info, rank_zero_only

from hrstyle import entry
from hrstyle.entry import bad_input_exits, offer, offer_trainer, quieten, require_all
from hrstyle.errors import InputError
from hrstyle.files import write_atomically
from hrstyle.generator.paper_network import paper
from hrstyle.generator.pyramid_network import pyramid
from hrstyle.images.formats import trust_files
from hrstyle.losses import PerceptualLoss, objectives
from hrstyle.styles.catalogue import CONFIGS, Style, StyleSet
from hrstyle.train import data
from hrstyle.train.memory import keep_freed_memory
from hrstyle.train.module import StyleTransfer
from hrstyle.train.run import TOGETHER, find_checkpoint, together_names, train
from hrstyle.train.shared import SharedStyleTransfer

PROGRAM = "hrstyle.train"


def register_signatures() -> None:
    """Make each constructor's keywords and defaults known to Hydra, see `hrstyle.entry.offer`."""
    offer("style", Style)
    offer("style", StyleSet)
    # The objectives pass their further keywords on to PerceptualLoss.
    common = builds(PerceptualLoss, populate_full_signature=True, zen_exclude=("terms",))
    offer("loss", objectives.painterly, builds_bases=(common,))
    offer("loss", objectives.gram, builds_bases=(common,))
    offer("generator", pyramid)
    offer("generator", paper)
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
    offer_trainer("trainer", *passed, *epochs)
    OmegaConf.register_new_resolver("stem", lambda path: Path(path).stem, replace=True)


def explain(error: Exception, program: str) -> str:
    """`hrstyle.entry.explain`, and what may be missing for a training."""
    if isinstance(error, InterpolationToMissingValueError) and "data.content" in str(error):
        return "no photo given; add data.content=PHOTO"
    if isinstance(error, InterpolationToMissingValueError):
        return "no style given; add style=NAME (--help lists them) or style.image=MY_PAINTING.jpg"
    if isinstance(error, InterpolationKeyError) and "style.style_weight" in str(error):
        return TOGETHER
    return entry.explain(error, program)


def changed_settings(before: Any, after: Any, prefix: str = "") -> list[str]:
    """The settings that differ between two configs, as `key=value (was …)`."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in after if key not in ("ckpt_path", "run_dir", "init")]
        nested = (changed_settings(before.get(k), after[k], f"{prefix}.{k}") for k in keys)
        return [line for lines in nested for line in lines]
    return [] if before == after else [f"{prefix.removeprefix('.')}={after} (was {before})"]


@bad_input_exits(
    PROGRAM, explain
)  # here as well as in main, because Hydra prints what leaves a job
def run(config: DictConfig) -> None:
    """One job: build what the config describes, keep the config beside it, and train."""
    require_all(config)
    trust_files()
    pl.seed_everything(config.seed, workers=True, verbose=False)
    parts = instantiate(config, _convert_="all")
    del parts["seed"]
    unknown = parts.keys() - signature(train).parameters.keys()
    if unknown:
        raise InputError(f"{', '.join(sorted(unknown))}: there is no such setting")
    parts["run_dir"] = run_dir = Path(parts["run_dir"]).expanduser()

    # Checked here as well as in train: the config of another run must not be overwritten either.
    together = together_names(parts["style"])
    resumed = find_checkpoint(run_dir, config.ckpt_path, parts["generator"], together) is not None
    plain, file = OmegaConf.to_container(config, resolve=True), run_dir / "config.yaml"
    if resumed and file.is_file():
        changes = changed_settings(OmegaConf.to_container(OmegaConf.load(file)), plain)
        if changes:
            rank_zero_info(f"Resuming with other settings than before: {', '.join(changes)}")
    run_dir.mkdir(parents=True, exist_ok=True)
    rank_zero_only(write_atomically)(file, OmegaConf.to_yaml(OmegaConf.create(plain)).encode())
    if train(**parts) is None:
        raise KeyboardInterrupt  # so that a sweep does not go on to its next job


@bad_input_exits(PROGRAM, explain)
def main() -> None:
    """Compose the config from the command line and run its job or jobs."""
    register_signatures()
    quieten(PROGRAM)
    keep_freed_memory()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors come to us, not to Hydra's printer
    hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")(run)()


if __name__ == "__main__":
    main()

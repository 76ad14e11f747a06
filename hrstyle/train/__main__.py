"""`python -m hrstyle.train`: Hydra composes a config, and its parts are built and trained.

This is the only module that knows Hydra. Every default has its home in the signature of the Python
class or function that takes it: `register_signatures` offers these to Hydra as config nodes under
`signature/`, on which the YAML files of configs/ build.
"""

import os
import sys
from pathlib import Path

import hydra
import pytorch_lightning as pl
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, InstantiationException
from hydra.utils import instantiate
from hydra_zen import builds
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException
from pytorch_lightning.utilities import rank_zero_only

from hrstyle import generator
from hrstyle.errors import InputError, NonFiniteError
from hrstyle.losses import PerceptualLoss
from hrstyle.styles import Style, picture_names
from hrstyle.train.data import PhotoData
from hrstyle.train.module import StyleTransfer
from hrstyle.train.run import find_checkpoint, train


def register_signatures() -> None:
    """Make each constructor's keywords and defaults known to Hydra as `signature/<its name>`."""
    store = ConfigStore.instance()
    for target in (Style, PhotoData, PerceptualLoss, generator.pyramid, generator.paper):
        node = builds(target, populate_full_signature=True)
        store.store(group="signature", name=target.__name__, node=node)
    for partial_target in (pl.Trainer, StyleTransfer):  # these need what is only built later
        node = builds(
            partial_target,
            populate_full_signature=True,
            zen_partial=True,
            zen_exclude=("generator", "loss", "style", "callbacks", "logger"),
        )
        store.store(group="signature", name=partial_target.__name__, node=node)
    OmegaConf.register_new_resolver("stem", lambda path: Path(path).stem, replace=True)


def run(config: DictConfig) -> None:
    """One job: build what the config describes, keep the config beside it, and train."""
    run_dir = Path(config.run_dir)
    resume_from = find_checkpoint(run_dir, config.ckpt_path)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    parts = instantiate(config, _convert_="all")
    for key in ("run_dir", "ckpt_path", "seed"):
        del parts[key]
    run_dir.mkdir(parents=True, exist_ok=True)
    rank_zero_only(OmegaConf.save)(config, run_dir / "config.yaml", resolve=True)
    train(run_dir=run_dir, resume_from=resume_from, **parts)


def explain(error: Exception) -> str:
    """What went wrong, as one sentence for the person at the command line."""
    if isinstance(error, InstantiationException) and isinstance(error.__cause__, Exception):
        constructor = str(error).splitlines()[0].removesuffix(":")
        sentence = explain(error.__cause__)
        return sentence if isinstance(error.__cause__, InputError) else f"{constructor}: {sentence}"
    if isinstance(error, InterpolationToMissingValueError):
        known = ", ".join(picture_names())
        return f"no style given; add style=NAME ({known}) or style.image=MY_PAINTING.jpg"
    text = str(error).split("Config search path")[0]  # the rest is about folders, not about the fix
    sentence = " ".join(text.split())
    if isinstance(error, OmegaConfBaseException | HydraException):
        sentence += " (python -m hrstyle.train --cfg job shows every key)"
    return sentence


def main() -> None:
    """Run, and turn bad input into one sentence and exit code 2."""
    register_signatures()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors come to us, not to Hydra's printer
    command = hydra.main(
        version_base="1.3", config_path="pkg://hrstyle.configs", config_name="train"
    )(run)
    try:
        command()
    except NonFiniteError as error:
        sys.exit(f"hrstyle.train: {error}")
    except (InputError, HydraException, OmegaConfBaseException, MisconfigurationException) as error:
        print(f"hrstyle.train: {explain(error)}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()

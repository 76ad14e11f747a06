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
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, InstantiationException
from hydra.utils import instantiate
from hydra_zen import builds
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException
from pytorch_lightning.utilities import rank_zero_only

from hrstyle import generator
from hrstyle.errors import InputError, NonFiniteError
from hrstyle.losses import PerceptualLoss
from hrstyle.styles import Style, picture_names
from hrstyle.train import data
from hrstyle.train.module import StyleTransfer
from hrstyle.train.run import find_checkpoint, train


def config_folder() -> str:
    """Where the YAML files are: beside the package in a checkout, inside it once installed."""
    checkout = Path(__file__).parents[2] / "configs"
    return str(checkout) if (checkout / "train.yaml").is_file() else "pkg://hrstyle.configs"


def register_signatures() -> None:
    """Make each constructor's keywords and defaults known to Hydra as `signature/<its name>`."""

    def offer(target: Callable[..., Any], **options: Any) -> None:
        node = builds(target, populate_full_signature=True, **options)
        ConfigStore.instance().store(group="signature", name=target.__name__, node=node)

    for target in (Style, PerceptualLoss, generator.pyramid, generator.paper):
        offer(target)
    # These pass their further keywords on to PhotoData; a dataclass that inherits defaults must
    # give its required fields one, too.
    crops = builds(
        data.PhotoData, populate_full_signature=True, zen_exclude=("paths", "preview_paths")
    )
    offer(data.samples, builds_bases=(crops,))
    offer(data.folder, builds_bases=(crops,), root=MISSING)
    offer(data.pair, builds_bases=(crops,), content=MISSING)
    # These need parts that are only built later.
    offer(StyleTransfer, zen_partial=True, zen_exclude=("generator", "loss", "style"))
    offer(pl.Trainer, zen_partial=True, zen_exclude=("callbacks", "logger", "enable_checkpointing"))
    OmegaConf.register_new_resolver("stem", lambda path: Path(path).stem, replace=True)


def quieten() -> None:
    """Drop the warnings of Lightning's that are wrong here or that no user can do a thing about."""
    for message in (
        r"Found \d+ module\(s\) in eval mode",  # the loss network, on purpose
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 on a recent torch
        r"The '?train_dataloader'? does not have many workers",
    ):
        warnings.filterwarnings("ignore", message=message)
    advice = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    advice.addFilter(lambda record: "litlogger" not in record.getMessage())


def explain(error: Exception) -> str:
    """What went wrong, as one sentence for the person at the command line."""
    if isinstance(error, InstantiationException) and isinstance(error.__cause__, Exception):
        constructor = str(error).splitlines()[0].removesuffix(":")
        sentence = explain(error.__cause__)
        return sentence if isinstance(error.__cause__, InputError) else f"{constructor}: {sentence}"
    if isinstance(error, InterpolationToMissingValueError):
        known = ", ".join(picture_names())
        return f"no style given; add style=NAME ({known}) or style.image=MY_PAINTING.jpg"
    sentence = " ".join(str(error).split("Config search path")[0].split())
    if isinstance(error, OmegaConfBaseException | HydraException):
        # Hydra's own advice, to add an unknown key with a +, only moves the error elsewhere.
        sentence = sentence.split("To append to your config")[0].strip(" .")
        sentence += "; `python -m hrstyle.train --cfg job` shows every key, `--help` the usual ones"
    return sentence


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
    run_dir = Path(config.run_dir)
    resume_from = find_checkpoint(run_dir, config.ckpt_path)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    parts = instantiate(config, _convert_="all")
    for key in ("run_dir", "ckpt_path", "seed"):
        del parts[key]
    run_dir.mkdir(parents=True, exist_ok=True)
    rank_zero_only(OmegaConf.save)(config, run_dir / "config.yaml", resolve=True)
    if train(run_dir=run_dir, resume_from=resume_from, **parts) is None:
        raise KeyboardInterrupt  # so that a sweep does not go on to its next job


@bad_input_exits()
def main() -> None:
    """Compose the config from the command line and run its job or jobs."""
    register_signatures()
    quieten()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors come to us, not to Hydra's printer
    hydra.main(version_base="1.3", config_path=config_folder(), config_name="train")(run)()


if __name__ == "__main__":
    main()

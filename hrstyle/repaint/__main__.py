"""`python -m hrstyle.repaint` or `hrstyle repaint`: run the job that the Hydra config describes."""

import os
from pathlib import Path

import hydra
from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig
from pytorch_lightning.utilities import rank_zero_only

from hrstyle.entry import (
    bad_input_exits,
    register_config,
    register_trainer,
    require_all,
    simplify_warnings,
)
from hrstyle.errors import InputError
from hrstyle.images.writing import save_image
from hrstyle.inference import load
from hrstyle.options import StylizeOptions
from hrstyle.repaint.photos import Photos
from hrstyle.repaint.run import FAILED, repaint

PROGRAM = "hrstyle.repaint"


def register_signatures() -> None:
    """Register the functions that the config names, see `hrstyle.entry.register_config`."""
    register_config("", Photos, zen_partial=True, zen_exclude=("output",), root=MISSING)
    register_config("", load, zen_partial=True, zen_exclude=("source", "device"))
    register_config("", StylizeOptions)
    register_config("", save_image, zen_partial=True, zen_exclude=("image", "path"))
    set_by_repaint = (
        "logger",
        "enable_checkpointing",
        "enable_model_summary",
        "use_distributed_sampler",
    )
    register_trainer("", "callbacks", *set_by_repaint)


# Here as well as in `main`, because Hydra prints exceptions that leave a job.
@bad_input_exits(PROGRAM)
def run(config: DictConfig) -> None:
    """One job: build what the config describes, and repaint."""
    require_all(config)
    parts = instantiate(config, _convert_="all")
    for name in ("load", "save"):
        parts[name] = parts[name].keywords
    parts["data"] = parts["data"](output=parts.pop("output"))
    output = parts["data"].output
    counts = repaint(**parts)
    if counts["failed"]:
        _report_failures(counts, output / FAILED)


@rank_zero_only
def _report_failures(counts: dict[str, int], file: Path) -> None:
    raise InputError(
        f"{counts['failed']} of {sum(counts.values())} photos could not be repainted; {file} names"
        " them"
    )


@bad_input_exits(PROGRAM)
def main() -> None:
    """Compose the config from the command line and run its job."""
    register_signatures()
    simplify_warnings(PROGRAM)
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises errors instead of printing them
    folder = str(Path(__file__).parent)
    hydra.main(version_base="1.3", config_path=folder, config_name="config")(run)()


if __name__ == "__main__":
    main()

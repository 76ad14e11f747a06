"""`python -m hrstyle.repaint` or `hrstyle repaint`: run the job that the Hydra config describes."""

from pathlib import Path

from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig
from pytorch_lightning.utilities import rank_zero_only

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
from hrstyle.images.writing import save_image
from hrstyle.inference import load
from hrstyle.repaint.photos import Photos
from hrstyle.repaint.run import FAILED, repaint

PROGRAM = "hrstyle.repaint"
TEXTS = ("style", "output", "data.root", "stylize.mask", "trainer.default_root_dir")
"""Settings whose values are texts, such as the names of files."""


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
    run_program(
        run,
        program=PROGRAM,
        folder=Path(__file__).parent,
        config="config",
        texts=TEXTS,
        meant=lambda word: f"data.root={word}" if Path(word).is_dir() else f"style={word}",
    )


if __name__ == "__main__":
    main()

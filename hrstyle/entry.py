"""What the Hydra programs `hrstyle.train` and `hrstyle.repaint` share: configs, warnings, errors.

Each default stands once, in the signature of the Python class or function that takes it.
`register_config` registers these signatures with Hydra, and the YAML files build on them.
"""

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, InstantiationException, OverrideParseException
from hydra_zen import builds
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hrstyle.errors import InputError, NonFiniteError
from hrstyle.terminal import escape_unprintable


def register_config(group: str, target: Callable[..., Any], **options: Any) -> None:
    """Register a constructor's keywords and defaults as the Hydra config `signature/<its name>`.

    Args:
        group: the config group that the config belongs to; "" for the root.
        target: the constructor.
        options: keywords of hydra-zen's `builds`.
    """
    node = builds(target, populate_full_signature=True, **options)
    name = f"{group}/signature".removeprefix("/")
    ConfigStore.instance().store(group=name, name=target.__name__, node=node)


def register_trainer(group: str, *excluded: str) -> None:
    """Register Lightning's Trainer, see `register_config`, without the excluded keywords."""
    register_config(group, pl.Trainer, zen_partial=True, zen_exclude=excluded)


def require_all(config: DictConfig) -> None:
    """Raise InputError if a setting without a default is missing."""
    missing = OmegaConf.missing_keys(config)
    if missing:
        raise InputError(f"{', '.join(sorted(missing))} must be given, as KEY=VALUE")


def simplify_warnings(program: str) -> None:
    """Print warnings as single sentences, and hide those that are wrong here or cannot be fixed."""
    warnings.formatwarning = lambda message, *where: f"{program}: {message}\n"
    for message in (
        r"Found \d+ module\(s\) in eval mode",  # the loss network, on purpose
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 on a recent torch
        r"The '?\w+_dataloader'? does not have many workers",
    ):
        warnings.filterwarnings("ignore", message=message)
    # Lightning advertises a paid service at the start of every run.
    advice = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    advice.addFilter(lambda record: "litlogger" not in record.getMessage())


def explain(error: Exception, program: str) -> str:
    """An error as one sentence for the command line."""
    cause = error.__cause__
    if isinstance(error, InstantiationException) and isinstance(cause, Exception):
        constructor = str(error).splitlines()[0].removesuffix(":")
        if isinstance(cause, InputError):
            return explain(cause, program)
        return " ".join(
            f"{constructor}: {cause}".split()
        )  # Hydra's own messages have several lines
    if isinstance(error, OverrideParseException):
        return (
            f"cannot read {error.override}; put quotes around a value with special characters, and"
            " other quotes around the whole setting: 'style.image=\"my painting (1).jpg\"'"
        )
    if isinstance(error, OmegaConfBaseException | HydraException):
        # Hydra appends its search path, or how to add a key; no program here takes further keys.
        sentence = str(error).split("Config search path")[0].split("To append to your config")[0]
        if sentence.startswith("Error merging") and cause is not None:
            sentence += f": {str(cause).splitlines()[0]}"
        sentence = " ".join(sentence.split()).strip(" .")
        return (
            f"{sentence}; `python -m {program} --cfg job` shows every key, `--help` the common ones"
        )
    # An error in a data-loading process carries that process's traceback.
    return str(error).rsplit("InputError: ", 1)[-1].removesuffix("\\n").strip()


@contextmanager
def bad_input_exits(
    program: str, explain: Callable[[Exception, str], str] = explain
) -> Iterator[None]:
    """Turn errors that the user can fix into one sentence on stderr and exit code 2."""
    escape_unprintable()
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)  # as after any Ctrl-C
    except NonFiniteError as error:
        sys.exit(f"{program}: {error}")  # exit code 1: the input was fine
    except (
        InputError,
        HydraException,
        OmegaConfBaseException,
        MisconfigurationException,
        OSError,  # a folder that is not writable, a disk that is full
    ) as error:
        print(f"{program}: {explain(error, program)}", file=sys.stderr)
        sys.exit(2)

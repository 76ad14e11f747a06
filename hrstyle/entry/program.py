"""What the Hydra programs `hrstyle.train` and `hrstyle.repaint` share: configs, warnings, errors.

Each default stands once, in the signature of the Python class or function that takes it.
`register_config` registers these signatures with Hydra, and the YAML files build on them.
"""

import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
from hydra.core.config_store import ConfigStore
from hydra.errors import (
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from hydra_zen import builds
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hrstyle.entry.overrides import is_sweep, quote_texts, split_options
from hrstyle.entry.suggestions import ask_about_key, did_you_mean
from hrstyle.errors import INTERRUPTED, InputError, NonFiniteError
from hrstyle.terminal import escape_unprintable, open_missing_streams, refuse_long_dashes

_WHERE_KEYS = "; `python -m {} --cfg job` shows every key, `--help` the common ones"


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
        # Hydra's own messages have several lines.
        return " ".join(f"{constructor}: {cause}".split())
    if isinstance(error, OverrideParseException):
        return (
            f"cannot read {error.override}; a value with brackets, commas or quotes that mean"
            f" nothing needs quotes around it, and others around the whole setting:"
            f" \"KEY='VALUE'\""
        )
    if isinstance(error, MissingConfigException):
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        choices = list(error.options or [])
        question = did_you_mean(name, choices, None)
        return f"there is no {group}={name} among {', '.join(choices) or 'none'}{question}"
    if isinstance(error, OmegaConfBaseException | HydraException):
        # Hydra appends its search path, or how to add a key; no program here takes further keys.
        sentence = str(error).split("Config search path")[0].split("To append to your config")[0]
        if sentence.startswith("Error merging") and cause is not None:
            sentence += f": {str(cause).splitlines()[0]}"
        sentence = " ".join(sentence.split()).strip(" .")
        return f"{sentence}{_WHERE_KEYS.format(program)}"
    # An error in a data-loading process carries that process's traceback.
    return str(error).rsplit("InputError: ", 1)[-1].removesuffix("\\n").strip()


def run_program(
    job: Callable[[DictConfig], None],
    *,
    program: str,
    folder: str | Path,
    config: str,
    texts: Sequence[str],
    meant: Callable[[str], str],
    explain: Callable[[Exception, str], str] = explain,
) -> None:
    """Run the job, or with `-m` the jobs, that the command line describes.

    A job of a sweep that fails does not stop the others.

    Args:
        job: takes its config.
        program: the program's name, for messages.
        folder: the folder of the configs.
        config: the name of the main one.
        texts: the keys whose values are texts, see `hrstyle.entry.overrides.quote_texts`.
        meant: the setting that a word without a key is most likely meant for.
        explain: an error as a sentence.

    Raises:
        InputError, HydraException, OmegaConfBaseException: arguments that cannot be read.
        SystemExit: a job failed, and said so.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises errors instead of printing them
    options, settings = split_options(sys.argv[1:])
    sweep = is_sweep(options, settings)
    codes: list[Any] = []
    started = False
    configs: dict[str, Any] = {"folder": folder, "config": config, "settings": settings}

    @wraps(job)
    def run(config: DictConfig) -> None:
        nonlocal started
        started = True
        try:
            # Here, because Hydra prints exceptions that leave a job.
            with bad_input_exits(program, explain):
                job(config)
            codes.append(0)
        except SystemExit as stop:
            if not sweep or stop.code == INTERRUPTED:
                raise
            codes.append(stop.code)
            if isinstance(stop.code, str):
                print(stop.code, file=sys.stderr)

    refuse_long_dashes(settings)
    _check_settings(settings, meant, configs)
    # In place, because Lightning starts further processes with these arguments.
    sys.argv[1:] = [*options, *quote_texts(settings, texts, sweep=sweep)]
    try:
        hydra.main(version_base="1.3", config_path=str(folder), config_name=config)(run)()
    except (HydraException, OmegaConfBaseException) as error:
        unknown = re.match(r"Could not override '(.*)'\.", str(error))
        sentence = explain(error, program)
        if unknown:
            key = unknown[1]
            given = {name.lstrip("+"): value for name, _, value in map(_parted, settings)}
            question = ask_about_key(key, given.get(key, ""), **configs)
            sentence = f"there is no setting {key}{question or _WHERE_KEYS.format(program)}"
        if sweep and not codes:
            sentence += "; none of the sweep's jobs has started"
        raise InputError(sentence) from error
    except ValueError as error:  # Hydra's, for a group without a name
        if started:
            raise
        raise InputError(
            "a group of settings cannot be null or a number; leave it out for the default"
        ) from error
    if failed := [code for code in codes if code]:
        print(
            f"{program}: {len(failed)} of the sweep's {len(codes)} jobs failed, see above; the"
            " others are done",
            file=sys.stderr,
        )
        sys.exit(2 if 2 in failed else 1)


def _parted(setting: str) -> tuple[str, str, str]:
    return setting.partition("=")


def _check_settings(
    settings: Sequence[str], meant: Callable[[str], str], configs: dict[str, Any]
) -> None:
    """Raise InputError for an option that Hydra does not have, and for a word without a key."""
    words = [*settings, ""]
    for setting, following in pairwise(words):
        key, equal, value = _parted(setting)
        if setting.startswith("-"):
            name = key.lstrip("-").replace("-", "_")
            value = value if equal or "=" in following else following
            if meant(value).startswith((f"{name}=", f"{name}.")):
                question = f"; did you mean {meant(value)}?"
            else:
                question = ask_about_key(name, value, **configs) or "; see --help"
            raise InputError(f"{key} is no option here: settings are KEY=VALUE{question}")
        if not equal and not setting.startswith("~"):
            raise InputError(
                f"{setting!r} is no setting KEY=VALUE; did you mean {meant(setting)}? Put quotes"
                " around a setting with spaces"
            )


@contextmanager
def bad_input_exits(
    program: str, explain: Callable[[Exception, str], str] = explain
) -> Iterator[None]:
    """Turn errors that the user can fix into one sentence on stderr and exit code 2."""
    open_missing_streams()
    escape_unprintable()
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
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

"""What was meant by a setting that a Hydra program does not have: "did you mean …"."""

from collections.abc import Sequence
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

_CLOSE = 0.85  # of difflib's ratio: a slip of the finger
_PER_QUESTION = 2


def did_you_mean(word: str, words: Sequence[str], value: str | None = None) -> str:
    """The question "; did you mean …?" with the words most like `word`, or "" if none is.

    Args:
        word: what was given.
        words: what there is.
        value: if given, the question's words are settings with this value.
    """
    found = get_close_matches(word, words, _PER_QUESTION)
    return _question(found, value)


def _question(found: Sequence[str], value: str | None) -> str:
    settings = [name if value is None else f"{name}={value}" for name in found]
    return f"; did you mean {' or '.join(settings)}?" if settings else ""


def ask_about_key(
    key: str, value: str, *, folder: str | Path, config: str, settings: Sequence[str] = ()
) -> str:
    """The question for a key that is not in the config, or what to add so that it is; or "".

    Args:
        key: the key that was given, such as `max_steps`.
        value: its value.
        folder: the folder of the program's configs.
        config: the name of the main one.
        settings: the command line's settings. Those that choose a group's config count.
    """
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        pairs = [setting.partition("=") for setting in settings]
        chosen = [f"{group}={name}" for group, _, name in pairs if _has(loader, group, name)]
        keys = _keys(compose(config, chosen))
        last = key.rpartition(".")[2]
        same = [known for known in keys if known.rpartition(".")[2] == last]
        same.sort(key=lambda known: -SequenceMatcher(None, key, known).ratio())
        if found := same or get_close_matches(key, keys, _PER_QUESTION, _CLOSE):
            return _question(found[:_PER_QUESTION], value)
        group = key.partition(".")[0]
        given = [choice for choice in chosen if choice.startswith(f"{group}=")]
        others = [choice for choice in chosen if choice not in given]
        having = [
            choice
            for choice in (f"{group}={name}" for name in loader.get_group_options(group))
            if "." in key and key in _keys(compose(config, [*others, choice]))
        ]
        if having and given:
            return f"; it is a setting of {' and '.join(having)}, not of {given[-1]}"
        if having:
            return f"; it is a setting of {having[0]}, so add {having[0]}"
        by_end = {known.rpartition(".")[2]: known for known in reversed(keys)}
        ends = [by_end[end] for end in get_close_matches(last, list(by_end), _PER_QUESTION)]
        return did_you_mean(key, keys, value) or _question(ends, value)


def _has(loader: Any, group: str, name: str) -> bool:
    try:
        return name in loader.get_group_options(group)
    except HydraException:
        return False


def _keys(config: DictConfig, prefix: str = "") -> list[str]:
    """All keys of a config, and of those in it, as the command line spells them."""
    found = []
    for name in map(str, config):
        if name.startswith("_"):
            continue
        found.append(f"{prefix}{name}")
        part = None if OmegaConf.is_missing(config, name) else config._get_node(name)
        if isinstance(part, DictConfig) and not (part._is_none() or part._is_interpolation()):
            found += _keys(part, f"{prefix}{name}.")
    return found

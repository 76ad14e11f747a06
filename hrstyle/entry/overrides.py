"""The settings KEY=VALUE of a Hydra program, from the command line as people type it.

Hydra has a grammar for values: `1e3` is a number, `true` a truth value, and parentheses, quotes and
commas have a meaning. File names and titles are not written in it. So the values of settings that
are texts are put in quotes before Hydra parses them.
"""

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.types import Quote, QuotedString

# What stands between commas: a quoted text, a list, a dict, or anything, with interpolations.
_ELEMENT = re.compile(
    r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{[^}]*\}|(?:\$\{[^}]*\}|[^,])*?)"""
    r"""\s*(?:,|$)"""
)
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_HYDRAS_FUNCTION = re.compile(r"(?:choice|shuffle|sort|glob|range|interval|tag)\(.*\)")
_HYDRAS_ESCAPE = re.compile(r"\\[\\()\[\]{}:=, \t]")
_SETTING = re.compile(r"(\+{0,2}([\w.$@/-]+)=)(.*)", re.DOTALL)


def split_options(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's options, with their values, and the settings, in whatever order they were given.

    An option that Hydra does not know counts as a setting.
    """
    known = get_args_parser()._option_string_actions
    options: list[str] = []
    settings: list[str] = []
    takes_value = False
    for argument in arguments:
        action = known.get(argument.partition("=")[0])
        (options if action or takes_value else settings).append(argument)
        takes_value = bool(action and action.nargs is None and "=" not in argument)
    return options, settings


def is_sweep(options: Sequence[str], settings: Sequence[str]) -> bool:
    """Whether the command line asks for one job for each value."""
    return bool({"-m", "--multirun"} & set(options)) or "hydra.mode=MULTIRUN" in settings


def quote_texts(settings: Sequence[str], texts: Sequence[str], *, sweep: bool) -> list[str]:
    """The settings, with the values of text keys in quotes for Hydra.

    Args:
        settings: `KEY=VALUE` each; others are left as they are.
        texts: patterns of the keys whose values are texts, such as `style.pictures.*.image`.
        sweep: whether commas separate the values of a sweep; see `quote`.
    """
    quoted = []
    for setting in settings:
        found = _SETTING.fullmatch(setting)
        if found and any(fnmatchcase(found[2], pattern) for pattern in texts):
            setting = found[1] + quote(found[3], sweep=sweep)
        quoted.append(setting)
    return quoted


def quote(value: str, *, sweep: bool = False) -> str:
    """A text, or a list or sweep of texts, in Hydra's grammar.

    The name of an existing file or folder always stands for it, whatever characters it has.
    Otherwise `[a,b]` is a list, a value in quotes is what they enclose, `${key}` stays an
    interpolation, `null` stays null and `{…}` a dict.

    Args:
        value: the text as typed.
        sweep: whether a comma separates the values of a sweep, or belongs to the text.
    """
    if value in ("", "null"):
        return value
    if _exists(value):
        return _in_quotes(value)
    if value[0] + value[-1] == "[]":
        return f"[{','.join(quote(element) for element in _elements(value[1:-1]))}]"
    is_function = sweep and _HYDRAS_FUNCTION.fullmatch(value)
    is_escaped = os.sep == "/" and _HYDRAS_ESCAPE.search(value)  # on Windows, \\ separates folders
    if value[0] + value[-1] == "{}" or _QUOTED.fullmatch(value) or is_function or is_escaped:
        return value
    if sweep and len(elements := list(_elements(value))) > 1:
        return ",".join(quote(element) for element in elements)
    return _in_quotes(value)


def _elements(text: str) -> Iterator[str]:
    """The elements of a list or sweep, without the spaces around them."""
    place = 0
    while place < len(text):
        found = _ELEMENT.match(text, place)
        assert found  # its last alternative takes anything
        yield found[1]
        place = found.end()


def _in_quotes(text: str) -> str:
    return str(QuotedString(text, Quote.single).with_quotes())


def _exists(name: str) -> bool:
    try:
        return os.path.lexists(os.path.expanduser(name))  # noqa: PTH111  (keeps ~x without a user x)
    except ValueError:  # a null character
        return False

"""`hrstyle completion`: write a script for the shell, made by shtab.

The script needs no Python when the Tab key is pressed. With argcomplete, the other library, each
Tab would start the program.
"""

import argparse
from collections.abc import Iterable
from typing import Any

from hrstyle.cli.options import ALL
from hrstyle.errors import InputError

SHELLS = ("bash", "zsh", "fish")
_EPILOG = """\
examples:
  hrstyle completion bash > ~/.local/share/bash-completion/completions/hrstyle
  hrstyle completion fish > ~/.config/fish/completions/hrstyle.fish

zsh reads it from any folder in its $fpath:
  hrstyle completion zsh > ~/.zfunc/_hrstyle     # with fpath+=~/.zfunc before compinit in .zshrc

It needs: pip install 'hrstyle[completion]'
"""
_FILE_OPTIONS = ("input", "output", "mask", "painting", "sheet")

_PRINT_LINES = r"printf '%s\n' "  # one word per line, for fish


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    completion = commands.add_parser(
        "completion",
        help="write a script that completes commands, options and styles with the Tab key",
        description="Write a script with which the shell completes hrstyle's commands, options and"
        " styles.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", metavar="|".join(SHELLS), help="the shell")
    completion.set_defaults(run=run, commands=commands)


def run(arguments: argparse.Namespace) -> None:
    """Print the script."""
    if arguments.shell not in SHELLS:
        raise InputError(f"shell {arguments.shell!r} must be one of {', '.join(SHELLS)}")
    try:
        import shtab
    except ImportError as error:
        raise InputError(
            f'shtab cannot be imported ({error}); run: pip install "hrstyle[completion]"'
        ) from error
    choices = _choices()
    for name, command in arguments.commands.choices.items():
        for action in command._actions:
            if action.dest == "style":
                action.complete = _styles(name)
            elif (name, action.dest) in choices:
                words = " ".join(choices[name, action.dest])
                action.complete = shtab.cmd(_PRINT_LINES + words)
            elif action.dest in _FILE_OPTIONS:
                action.complete = shtab.FILE
    print(shtab.complete(arguments.parser, arguments.shell))


def _choices() -> dict[tuple[str, str], Iterable[str]]:
    """The values to complete, by the command and the name of its option or argument."""
    from hrstyle.engine import devices, onnx, painter
    from hrstyle.losses.objectives import OBJECTIVES
    from hrstyle.losses.vgg import POOLINGS
    from hrstyle.optimization.gradient_descent import METHODS

    painting: dict[str, Iterable[str]] = {"engine": painter.ENGINES, "dtype": devices.DTYPES}
    optimizing: dict[str, Iterable[str]] = {
        "dtype": [name for name in devices.DTYPES if name != "float16"],
        "loss": OBJECTIVES,
        "method": METHODS,
        "pooling": POOLINGS,
        "start": ("content", "noise"),
    }
    commands: dict[str, dict[str, Iterable[str]]] = {
        "stylize": {**painting, "format": ("png", "jpeg", "webp", "avif", "tiff", "gif")},
        "video": painting,
        "optimize": optimizing,
        "export": {"dtype": onnx.DTYPES},
        "completion": {"shell": SHELLS},
    }
    return {(name, key): words for name, each in commands.items() for key, words in each.items()}


def _styles(command: str) -> dict[str, Any]:
    """Completion of style names and files, in shtab's form."""
    from hrstyle.styles.catalogue import gallery
    from hrstyle.styles.trained import list_styles

    names = {"stylize": [*list_styles(), ALL], "optimize": gallery(), "serve": ()}
    words = " ".join(names.get(command, list_styles()))
    function = f"_hrstyle_styles_{command}"
    added = f"compadd {words}; " if words else ""
    return {
        "bash": function,
        "zsh": function,
        "fish": f"({function})",
        "preamble": {
            "bash": f'{function}() {{ compgen -W "{words}" -- "$1"; compgen -f -- "$1"; }}',
            "zsh": f"{function}() {{ {added}_files; }}",
            "fish": f"function {function}; string split ' ' '{words}';"
            " __fish_complete_path (commandline -ct); end",
        },
    }

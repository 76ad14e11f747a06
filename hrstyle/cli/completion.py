"""`hrstyle completion`: write a script for the shell, made by shtab.

The script needs no Python when the Tab key is pressed. With argcomplete, the other library, each
Tab would start the program.
"""

import argparse
from typing import Any

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
_CHOICES = {
    "engine": "auto torch openvino",
    "dtype": "float32 bfloat16 float16",
    "format": "png jpeg webp avif tiff gif",
    "method": "lbfgs adam",
    "pooling": "max avg",
    "start": "content noise",
}
"""Values to complete after these options."""

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
    for command in arguments.commands.choices.values():
        for action in command._actions:
            if action.dest == "style":
                action.complete = _styles()
            elif action.dest == "shell":
                action.complete = shtab.cmd(_PRINT_LINES + " ".join(SHELLS))
            elif action.dest in _CHOICES:
                action.complete = shtab.cmd(_PRINT_LINES + _CHOICES[action.dest])
            elif action.dest in _FILE_OPTIONS:
                action.complete = shtab.FILE
    print(shtab.complete(arguments.parser, arguments.shell))


def _styles() -> dict[str, Any]:
    """Completion of style names and files, in shtab's form."""
    from hrstyle.styles.trained import list_styles

    words = " ".join(list_styles())
    return {
        "bash": "_hrstyle_styles",
        "zsh": "_hrstyle_styles",
        "fish": "(_hrstyle_styles)",
        "preamble": {
            "bash": f'_hrstyle_styles() {{ compgen -W "{words}" -- "$1"; compgen -f -- "$1"; }}',
            "zsh": f"_hrstyle_styles() {{ compadd {words}; _files; }}",
            "fish": f"function _hrstyle_styles; string split ' ' '{words}';"
            " __fish_complete_path (commandline -ct); end",
        },
    }

"""`hrstyle train` and `hrstyle repaint`: the Hydra programs `hrstyle.train` and `hrstyle.repaint`.

Their arguments are Hydra's, so argparse passes all of them on unread.
"""

import argparse
import runpy
import sys
from pathlib import Path
from typing import Any

from hrstyle.files import check_current_folder

PROGRAMS = {
    "train": "train a style on a painting (settings: hrstyle train --help)",
    "repaint": "repaint a folder on many devices and machines (settings: hrstyle repaint --help)",
}


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    for name, text in PROGRAMS.items():
        # No argument starts with this prefix character, so none is taken for an option.
        program = commands.add_parser(
            name, help=text, description=text, prefix_chars="\0", add_help=False
        )
        program.add_argument("arguments", nargs=argparse.REMAINDER, metavar="KEY=VALUE")
        program.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the program as `python -m hrstyle.train` would.

    By `runpy`, because Hydra reads `sys.argv`, and Lightning starts the processes of further
    devices with the module that is `__main__`.
    """
    check_current_folder()
    sys.path.append(str(Path.cwd()))  # `python -m` finds modules there too, such as mine.py
    sys.argv = [sys.argv[0], *arguments.arguments]
    runpy.run_module(f"hrstyle.{arguments.command}", run_name="__main__", alter_sys=True)

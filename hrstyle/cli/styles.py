"""`hrstyle styles`."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    styles = commands.add_parser("styles", help="list the styles that come along")
    styles.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print a line a style."""
    from hrstyle.checkpoint import load_generator
    from hrstyle.styles import names, weights_path

    for name in names():
        print(f"{name:16}{load_generator(weights_path(name)).credit}".rstrip())

"""`hrstyle serve`: the web page."""

import argparse
import os
import sys
from typing import Any

from hrstyle.cli.options import explicit_options
from hrstyle.errors import InputError
from hrstyle.files import check_current_folder

_EPILOG = """\
examples:
  hrstyle serve                               # then open http://127.0.0.1:7860
  hrstyle serve --host 0.0.0.0 --port 8000    # also for other machines in the network
  hrstyle serve --style runs/mine/mine.safetensors    # and a style you trained

HRSTYLE_AUTH=USER:PASSWORD in the environment is the same as --auth, and other users cannot see it.
"""
AUTH = "HRSTYLE_AUTH"


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    serve = commands.add_parser(
        "serve",
        help="open a web page that repaints photos",
        description="Repaint photos in the browser. The page needs no internet connection, and only"
        " this machine can reach it unless you give --host. Photos and results are deleted after an"
        " hour, and when the server ends. It needs: pip install 'hrstyle[web]'",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = serve.add_argument
    add("--host", help="the address to listen on (127.0.0.1: this machine only)")
    add("--port", metavar="N", help="the port (the first free one from 7860 on)")
    add("--max-pixels", metavar="N", help="maximal number of pixels of a photo (50 million)")
    add("--style", metavar="FILE", action="append",
        help="also offer this style that you trained; may be given several times")  # fmt: skip
    add("--auth", metavar="USER:PASSWORD", help="ask visitors for this name and password")
    add("--root-path", metavar="PATH", help="the page's path behind a proxy, such as /hrstyle")
    serve.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Serve until Ctrl-C."""
    check_current_folder()
    for name, most in (("port", 65535), ("max_pixels", 10**12)):
        if getattr(arguments, name) is not None:
            setattr(arguments, name, _whole_number(name, getattr(arguments, name), most))
    auth = _name_and_password(arguments.auth or os.environ.get(AUTH))
    root = arguments.root_path
    if root is not None and not root.startswith(("/", "http://", "https://")):
        raise InputError(f"--root-path {root} must begin with / or https://")
    from hrstyle.web.server import serve

    options = explicit_options(arguments, "host", "port", "max_pixels", "root_path")
    serve(styles=arguments.style or (), auth=auth, **options)
    sys.stdout.flush()
    os._exit(0)  # OpenVINO would crash if a photo is still being repainted


def _name_and_password(text: str | None) -> tuple[str, str] | None:
    if not text:
        return None
    name, _, password = text.partition(":")
    if not (name and password):
        raise InputError(f"--auth and {AUTH} need a name and a password: USER:PASSWORD")
    return name, password


def _whole_number(name: str, text: str, most: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= most:
        option = name.replace("_", "-")
        raise InputError(f"--{option} {text} must be a whole number from 1 to {most}")
    return value

"""Terminals, files and pipes of any kind: what is printed there, and what is typed."""

import io
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from hrstyle.errors import InputError

_LONG_DASH = re.compile("-?[\u2010-\u2015\u2212]+")  # the hyphens and dashes besides "-"


def escape_unprintable() -> None:
    r"""Make standard output and standard error write what their encoding lacks as `\u732b`.

    Windows' redirected output is often in cp1252, which lacks most of the letters that names of
    files may hold; Python would raise UnicodeEncodeError.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not so in notebooks
            stream.reconfigure(errors="backslashreplace")


def open_missing_streams() -> None:
    """Open the null device for standard streams that are closed, as for services and `pythonw`.

    Python makes them None, which has no `isatty`.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def refuse_long_dashes(arguments: Sequence[str]) -> None:
    """Raise InputError for an option after a long dash, which text copied from documents has.

    It would be taken as the name of a file. A file that has this name is one.
    """
    for argument in arguments:
        dash = _LONG_DASH.match(argument)
        if dash and not os.path.lexists(argument):
            name = argument[dash.end() :]
            typed = f"-{name}" if len(name) == 1 else f"--{name}"
            raise InputError(f"{argument} begins with a long dash, not with -; type {typed}")


@contextmanager
def ended_tidily() -> Iterator[None]:
    """Make SIGTERM and SIGHUP, which end the process at once, end it by SystemExit instead.

    Unfinished files are deleted then, as after Ctrl-C.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        sys.exit(128 + signum)

    changed = []
    if threading.current_thread() is threading.main_thread():  # only it may set them
        names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
        signals = [signal.Signals[name] for name in names]
        changed = [one for one in signals if signal.getsignal(one) is signal.SIG_DFL]
    for one in changed:
        signal.signal(one, stop)
    try:
        yield
    finally:
        for one in changed:
            signal.signal(one, signal.SIG_DFL)

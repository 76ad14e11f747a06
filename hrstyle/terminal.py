"""Printing to terminals and files of any encoding."""

import io
import sys


def escape_unprintable() -> None:
    r"""Make standard output and standard error write what their encoding lacks as `\u732b`.

    Windows' redirected output is often in cp1252, which lacks most of the letters that names of
    files may hold; Python would raise UnicodeEncodeError.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not so in notebooks
            stream.reconfigure(errors="backslashreplace")

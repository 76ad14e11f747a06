"""What can go wrong while a result is written: it is whole, or what was there before is."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hrstyle.checkpoint import save_weights
from hrstyle.errors import InputError
from hrstyle.files import write_atomically
from hrstyle.images import open_image, save_image

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8))
ENDINGS = ["png", "jpg", "webp", "tif", "bmp", "ppm", "jp2"]


@contextlib.contextmanager
def no_file_longer_than(count):
    """The kernel refuses to write more, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("room", [0.02, 0.5, 0.99])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_write_that_fails_leaves_the_original(tmp_path, ending, room):
    path = tmp_path / f"a.{ending}"
    save_image(NOISE, path)
    length = path.stat().st_size
    path.write_bytes(b"the original")
    with no_file_longer_than(int(room * length)), pytest.raises(InputError) as refused:
        save_image(NOISE, path)
    assert str(refused.value).startswith(f"cannot write {path}: ")
    assert path.read_bytes() == b"the original"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_weights_that_cannot_be_written(tmp_path, tiny):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"the original")
    with no_file_longer_than(1000), pytest.raises(InputError, match="cannot write"):
        save_weights(path, tiny, style="x")
    assert path.read_bytes() == b"the original"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_original(small_disk):
    for ending in ENDINGS:
        path = small_disk / f"a.{ending}"
        path.write_bytes(b"the original")
        with pytest.raises(InputError, match="cannot write .*No space left"):
            save_image(NOISE, path)
        assert path.read_bytes() == b"the original"
    assert len(list(small_disk.iterdir())) == len(ENDINGS)


def test_a_folder_where_nobody_may_write(tmp_path, tiny):
    if os.geteuid() == 0:
        folder = Path("/proc/self")  # where even root may not
    else:
        folder = tmp_path / "folder"
        folder.mkdir(mode=0o555)
    with pytest.raises(InputError, match=r"cannot write .*a\.png: .*check the folder"):
        save_image(NOISE, folder / "a.png")
    with pytest.raises(InputError, match=r"cannot write .*a\.safetensors"):
        save_weights(folder / "a.safetensors", tiny, style="x")


WRITER = """
import sys
import numpy as np
from PIL import Image
from hrstyle.images import save_image
noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (3000, 4000, 3), dtype=np.uint8))
try:
    save_image(noise, sys.argv[1])
except KeyboardInterrupt:
    print("interrupted", flush=True)
save_image(noise, sys.argv[1])
print("done", flush=True)
"""


@pytest.mark.slow
def test_interrupted_and_killed_while_writing(tmp_path):
    path = tmp_path / "a.png"
    save_image(NOISE, path)
    original = path.read_bytes()
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        wait_for_half_a_file(tmp_path)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert path.read_bytes() == original
        wait_for_half_a_file(tmp_path)
        process.kill()
        assert process.stdout.read() == ""
    assert path.read_bytes() == original
    assert np.array_equal(np.asarray(open_image(path)), np.asarray(NOISE))


def wait_for_half_a_file(folder):
    deadline = time.monotonic() + 60
    while not any(p.stat().st_size > 100_000 for p in folder.glob(".*.tmp")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # left open
def test_an_interrupt_at_every_point_of_a_small_write(tmp_path):
    """Ctrl-C before, in between and after: the file holds the old bytes or the new ones."""
    path = tmp_path / "a"
    seen = set()
    for line in range(60):
        path.write_bytes(b"old")
        with contextlib.suppress(KeyboardInterrupt), interrupt_after(line):
            write_atomically(path, b"new")
        seen.add(path.read_bytes())
    assert seen == {b"old", b"new"}


@contextlib.contextmanager
def interrupt_after(lines):
    """KeyboardInterrupt at a certain line of hrstyle.files, as a signal would raise it."""
    left = lines

    def trace(frame, event, argument):
        nonlocal left
        if frame.f_code.co_filename.endswith("files.py") and event == "line":
            left -= 1
            if left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def test_a_checkpoint_that_cannot_be_written(tmp_path):
    from hrstyle.train.callbacks import save_state

    class Trainer:
        is_global_zero = True

        def save_checkpoint(self, path, weights_only):
            with path.open("wb") as file:
                torch.save(torch.zeros(100_000), file)

    path = tmp_path / "last.ckpt"
    path.write_bytes(b"the original")
    with no_file_longer_than(1000), pytest.raises((OSError, RuntimeError)):
        save_state(Trainer(), path)
    assert path.read_bytes() == b"the original"
    assert len(list(tmp_path.iterdir())) == 1

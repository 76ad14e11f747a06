"""Ctrl-C in the middle: what is written is whole, and nothing else is left."""

import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from hrstyle.images import open_image


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "hrstyle", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupt(process, how=signal.SIGINT):
    """As the terminal does; the exit code and what was said."""
    process.send_signal(how)
    _, error = process.communicate(timeout=60)
    return process.returncode, error


@pytest.mark.slow
def test_a_folder_holds_only_whole_results_after_ctrl_c(photo, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for number in range(200):
        (photos / f"{number:03}.png").symlink_to(photo)
    process = start("stylize", photos, "-o", out, "--style", "starry_night")
    assert process.stdout.readline().endswith("000.png: 451x300\n")
    time.sleep(0.3)  # in the middle of some photo
    assert interrupt(process) == (130, "")
    results = list(out.iterdir())
    assert 1 <= len(results) < 200
    for path in results:
        assert path.suffix == ".png"  # not of what is written first
        assert open_image(path).size == (451, 300)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="Windows has other signals")
@pytest.mark.parametrize(("how", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_an_older_animation_stays_whole_after_the_end(tmp_path, how, code):
    clip, out = tmp_path / "clip.gif", tmp_path / "out.gif"
    frames = [Image.new("L", (200, 150), number) for number in range(200)]
    frames[0].save(clip, save_all=True, append_images=frames[1:])
    Image.new("L", (1, 1)).save(out)
    before = out.read_bytes()
    process = start("stylize", clip, "-o", out, "--overwrite", "--style", "starry_night")
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".out.gif*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert interrupt(process, getattr(signal, how)) == (code, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.gif", "out.gif"]
    assert out.read_bytes() == before

"""Styles in forked processes, and photos that come through pipes."""

import os
import signal
import subprocess
import sys

import pytest

import hrstyle
from hrstyle.errors import InputError
from hrstyle.images import open_image

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has neither")


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_fork_of_a_process_that_painted_is_told_so(weights_file, small, engine):
    style = hrstyle.load(weights_file, engine=engine, device="cpu")
    style.stylize(small)
    child = os.fork()
    if not child:
        signal.alarm(60)  # instead of waiting forever
        try:
            style.stylize(small)
        except InputError as error:
            os._exit(0 if "load it in each process" in str(error) else 1)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("output", ["painted.png", "painted.jpg", "-"])
def test_a_photo_through_a_pipe_is_read_once(weights_file, small, tmp_path, output):
    small.save(tmp_path / "photo.png")
    command = [sys.executable, "-m", "hrstyle", "stylize", "/dev/stdin", "-o", output]
    result = subprocess.run(
        [*command, "--style", weights_file],
        cwd=tmp_path,
        input=(tmp_path / "photo.png").read_bytes(),
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    painted = result.stdout if output == "-" else tmp_path / output
    assert open_image(painted).size == small.size


def test_a_pipe_is_not_for_all_styles(run, tmp_path, capsys):
    os.mkfifo(tmp_path / "photo.png")
    assert run("stylize", tmp_path / "photo.png", "-o", tmp_path / "out", "--style", "all") == 2
    assert "--style all is for files" in capsys.readouterr().err

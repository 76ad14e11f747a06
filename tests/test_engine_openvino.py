import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from hrstyle.engine.openvino import openvino_model

SIZES = [(2, 30), (7, 9), (17, 64), (64, 64), (130, 75)]


def painted(generator, picture):
    with torch.no_grad():
        return generator(picture).clamp(0, 1)


@pytest.mark.slow
def test_openvino_takes_any_size_and_threads_may_share_it(generator):
    paint = openvino_model(generator)
    pictures = [torch.rand(1, 3, *size) for size in SIZES] * 3
    with ThreadPoolExecutor(4) as pool:
        for picture, result in zip(pictures, pool.map(paint, pictures), strict=True):
            assert (result - painted(generator, picture)).abs().max() * 255 < 0.5


@pytest.mark.slow
def test_openvino_reports_to_nobody():
    code = """
import sys
def tell(event, arguments):
    if event == "socket.getaddrinfo":
        print("turned to", arguments, file=sys.stderr, flush=True)
sys.addaudithook(tell)
import hrstyle
assert hrstyle.load("starry_night", engine="openvino").engine == "openvino"
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")

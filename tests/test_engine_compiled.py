import subprocess
import sys

import numpy as np
import pytest
import torch

from hrstyle.engine import compile_model
from hrstyle.engine.onnx import onnx_bytes


@pytest.mark.parametrize("as_file", [False, True])
def test_the_same_from_bytes_and_from_a_file(tiny, tmp_path, as_file):
    model = onnx_bytes(tiny, style="")
    if as_file:
        (tmp_path / "tiny.onnx").write_bytes(model)
    run = compile_model(tmp_path / "tiny.onnx" if as_file else model)
    picture = torch.rand(1, 3, 33, 50)
    with torch.no_grad():
        expected = tiny(picture).clamp(0, 1).numpy()
    assert np.abs(run(picture.numpy()) - expected).max() * 255 < 0.5


def test_a_damaged_model_is_a_runtime_error(tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with pytest.raises(RuntimeError):
        compile_model(tmp_path / "no.onnx")


@pytest.mark.slow
def test_threads_may_be_the_first_to_ask_for_it():
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "import onnx, hrstyle\n"
        "from hrstyle.engine import compiled\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    styles = ['starry_night', 'irises', 'mondrian', 'the_scream']\n"
        "    loads = [pool.submit(hrstyle.load, style, engine='openvino') for style in styles]\n"
        "    print([load.result().engine for load in loads])\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stdout == f"{['openvino'] * 4}\n", process.stderr

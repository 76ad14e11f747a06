import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from hrstyle.engine import compile_model
from hrstyle.engine.compiled import TEMPLATE, TEMPLATE_CONFIG, compile_template
from hrstyle.engine.onnx import onnx_bytes, onnx_template
from hrstyle.generator import pyramid


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


def test_the_template_is_the_default_generators():
    # If this fails because the generator has changed, write the file anew:
    # python -c "from hrstyle.engine import compiled, onnx; from hrstyle import generator as g;
    #            compiled.TEMPLATE.write_bytes(onnx.onnx_template(g.pyramid().eval()))"
    expected = onnx.load_from_string(onnx_template(pyramid().eval()))
    assert onnx.load(TEMPLATE) == expected
    assert pyramid().config == TEMPLATE_CONFIG


def test_a_filled_template_computes_what_the_generator_does():
    torch.manual_seed(1)
    generator = pyramid().eval()
    weights = {name: value.numpy() for name, value in generator.state_dict().items()}
    run = compile_template(generator.config, weights)
    for size in ((33, 50), (96, 64)):
        picture = torch.rand(1, 3, *size)
        with torch.no_grad():
            expected = generator(picture).clamp(0, 1).numpy()
        assert np.abs(run(picture.numpy()) - expected).max() * 255 < 0.5


def test_weights_of_another_network_do_not_fill_the_template(tiny):
    other = {name: value.numpy() for name, value in tiny.state_dict().items()}
    weights = {name: value.numpy() for name, value in pyramid().state_dict().items()}
    config = pyramid().config
    some = dict(list(weights.items())[1:])
    renamed = config | {"name": "x"}
    for given in (
        (tiny.config, other),
        (config, other),
        (renamed, weights),
        (config, some),
    ):
        with pytest.raises(ValueError, match="another network"):
            compile_template(*given)


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

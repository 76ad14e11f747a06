import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from hrstyle.checkpoint import load_generator, save_weights
from hrstyle.engine import export, exporting as module
from hrstyle.engine.onnx import onnx_bytes
from hrstyle.errors import InputError
from hrstyle.generator import pyramid
from hrstyle.images import open_image, to_tensor
from hrstyle.inference import load

SIZES = [(1, 1), (2, 30), (7, 9), (17, 64), (64, 64), (130, 75)]


def painted(generator, picture):
    with torch.no_grad():
        return generator(picture).clamp(0, 1)


def run_onnx(model, picture):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"picture": picture.numpy()})[0])


@pytest.mark.slow
def test_onnx_takes_any_size(generator):
    model = onnx_bytes(generator, style="x")
    for size in SIZES[1:]:
        picture = torch.rand(2, 3, *size)
        out = run_onnx(model, picture)
        assert out.shape == picture.shape
        assert (out - painted(generator, picture)).abs().max() * 255 < 0.5, size


def test_a_picture_of_one_pixel_passes(tiny):
    picture = torch.rand(1, 3, 1, 1)
    assert run_onnx(onnx_bytes(tiny, style="x"), picture).shape == (1, 3, 1, 1)


def test_float16_is_half_the_size_and_near(tmp_path, weights_file):
    whole = export(weights_file, tmp_path / "a.onnx")
    half = export(weights_file, tmp_path / "b.onnx", dtype="float16")
    assert whole < 0.5
    assert half < 8
    constants = onnx.load(tmp_path / "b.onnx").graph.initializer
    floats = [c for c in constants if c.data_type in (onnx.TensorProto.FLOAT, 10)]
    assert sum(c.data_type == onnx.TensorProto.FLOAT16 for c in floats) > 0.8 * len(floats)
    assert (tmp_path / "b.onnx").stat().st_size < 0.7 * (tmp_path / "a.onnx").stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("size", [(64, 96), (41, 27), (5, 3)])
def test_a_model_of_a_fixed_size_has_no_shapes_to_compute(tmp_path, size, dtype):
    generator = pyramid().eval()
    save_weights(tmp_path / "x.safetensors", generator, style="x")
    export(tmp_path / "x.safetensors", tmp_path / "x.onnx", size=size, dtype=dtype)
    model = onnx.load(tmp_path / "x.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert not {node.op_type for node in model.graph.node} & {
        *("Shape", "Range", "Mod", "Squeeze", "Where", "Max", "Concat", "Less")
    }
    for value in (*model.graph.input, *model.graph.output):
        assert [d.dim_value for d in value.type.tensor_type.shape.dim] == [1, 3, *size]
    described = {p.key: p.value for p in model.metadata_props}
    assert described["picture"].endswith(f"height {size[0]}, width {size[1]}")
    picture = torch.rand(1, 3, *size)
    expected = painted(load_generator(tmp_path / "x.safetensors").generator, picture)
    limit = {"float32": 0.5, "float16": 8}[dtype]
    assert (run_onnx(model.SerializeToString(), picture) - expected).abs().max() * 255 < limit


@pytest.mark.slow
def test_the_model_is_what_stylize_gives_without_strokes_and_brush(tmp_path, photo):
    export("starry_night", tmp_path / "night.onnx")
    picture = to_tensor(open_image(photo))
    expected = load("starry_night", engine="torch").stylize(picture, stroke_size=1, brush=False)
    result = run_onnx((tmp_path / "night.onnx").read_bytes(), picture)
    assert (result - expected).abs().max() * 255 < 0.5


def test_the_file_describes_itself(tmp_path):
    export("starry_night", tmp_path / "night.onnx")
    model = onnx.load(tmp_path / "night.onnx")
    onnx.checker.check_model(model, full_check=True)
    described = {p.key: p.value for p in model.metadata_props}
    assert described["style"] == "starry_night"
    assert described["picture"] == "float32, RGB, 0 to 1, NCHW, any height and width"
    (picture,), (result,) = model.graph.input, model.graph.output
    for value in (picture, result):
        dims = [d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim]
        assert dims == ["batch", 3, "height", "width"]
    assert "NCHW" in picture.doc_string


def test_bad_input_is_refused_and_leaves_no_file(tmp_path, weights_file, monkeypatch):
    cases = [
        ({"source": "guernica"}, "guernica"),
        ({"path": tmp_path / "out.tflite"}, r"\.onnx"),
        ({"path": tmp_path / "nowhere" / "out.onnx"}, "there is no folder"),
        ({"dtype": "int8"}, "float32 or float16"),
        ({"size": (0, 64)}, r"size \(0, 64\) must be height and width"),
    ]
    for change, message in cases:
        arguments = {"source": weights_file, "path": tmp_path / "out.onnx"} | change
        with pytest.raises(InputError, match=message):
            export(**arguments)
    assert not list(tmp_path.glob("*.onnx"))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"pip install \"hrstyle\[export\]\""):
        export(weights_file, tmp_path / "out.onnx")


@pytest.mark.parametrize("tolerance", [0.0, float("nan")])
def test_a_model_that_is_off_does_not_replace_a_good_file(
    tmp_path, weights_file, monkeypatch, tolerance
):
    path = tmp_path / "out.onnx"
    path.write_bytes(b"good")
    monkeypatch.setattr(module, "TOLERANCE", {"float32": tolerance})
    with pytest.raises(InputError, match="not written: it differs"):
        export(weights_file, path)
    assert path.read_bytes() == b"good"


_NODE = """
const ort = require("onnxruntime-web");
const fs = require("fs");
const cases = JSON.parse(fs.readFileSync("cases.json"));
(async () => {
  const session = await ort.InferenceSession.create(fs.readFileSync("model.onnx"));
  const results = [];
  for (const { shape, values } of cases) {
    const picture = new ort.Tensor("float32", Float32Array.from(values), shape);
    const { painted } = await session.run({ picture });
    results.push({ shape: painted.dims, values: Array.from(painted.data) });
  }
  fs.writeFileSync("results.json", JSON.stringify(results));
})().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("npm"), reason="needs Node.js with npm")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_runs_in_onnxruntime_web(tmp_path, dtype):
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "onnxruntime-web"]
    if subprocess.run(install, cwd=tmp_path, check=False, timeout=300).returncode:
        pytest.skip("the npm registry cannot be reached")
    generator = pyramid().eval()
    save_weights(tmp_path / "x.safetensors", generator, style="x")
    export(tmp_path / "x.safetensors", tmp_path / "model.onnx", dtype=dtype)
    pictures = [torch.rand(1, 3, *size) for size in ((32, 32), (41, 27), (100, 60))]
    cases = [{"shape": list(p.shape), "values": p.flatten().tolist()} for p in pictures]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    (tmp_path / "run.js").write_text(_NODE)
    subprocess.run(["node", "run.js"], cwd=tmp_path, check=True, timeout=300)
    results = json.loads((tmp_path / "results.json").read_text())
    generator = load_generator(tmp_path / "x.safetensors").generator
    for picture, result in zip(pictures, results, strict=True):
        assert result["shape"] == list(picture.shape)
        expected = painted(generator, picture).numpy().ravel()
        limit = {"float32": 0.5, "float16": 8}[dtype]
        assert np.abs(np.array(result["values"]) - expected).max() * 255 < limit

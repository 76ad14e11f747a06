"""The ways to compute a picture agree."""

import numpy as np
import pytest
import torch

import hrstyle
from hrstyle.engine import Painter, best_device, find_device, find_dtype, painter as module
from hrstyle.engine.options import bytes_of
from hrstyle.errors import InputError
from hrstyle.generator import Generator
from hrstyle.images import open_image, to_tensor
from hrstyle.inference import Stylizer


class Inverted(Generator):
    """Does what cannot be read as layers."""

    def __init__(self, network):
        super().__init__(stride=1, mean=(0.0,) * 3, std=(1.0,) * 3)
        self.unused = torch.nn.Linear(1, 1)
        self.network = network

    def network(self, x):
        raise AssertionError("replaced")


def wants_a_tensor(x):
    if not isinstance(x, torch.Tensor):
        raise RuntimeError("what is that?")
    return 1 - x


@pytest.mark.parametrize(
    "network", [lambda x: 1 - x, lambda x: x.neg() + 1, torch.logical_not, wants_a_tensor]
)
def test_a_network_that_cannot_be_streamed_is_run_as_it_is(network):
    stylizer = Stylizer(Inverted(network), style="mine", device="cpu")
    picture = torch.ones(1, 3, 600, 600)
    assert stylizer.stylize(picture, max_memory=1, brush=False).max() == 0
    with pytest.raises(InputError, match="cannot run this generator"):
        Stylizer(Inverted(network), style="mine", engine="openvino")


def large(photo, width=1200, height=901):
    return open_image(photo).resize((width, height))


@pytest.mark.parametrize("max_memory", ["1GB", "60MB", pytest.param(1, marks=pytest.mark.slow)])
def test_a_large_picture_is_streamed_to_the_same_result(stylizer, photo, max_memory):
    picture = large(photo)
    expected = stylizer.generator(to_tensor(picture)).clamp(0, 1).mul(255)[0].permute(1, 2, 0)
    assert stylizer.painter._should_stream(1, 901, 1200, bytes_of(max_memory))
    how = {"stroke_size": 1, "brush": False, "max_memory": max_memory}
    result = np.asarray(stylizer.stylize(picture, **how)).astype(float)
    assert np.abs(result - expected.numpy()).max() <= 1


def test_large_tensors_and_batches_are_streamed(stylizer):
    batch = torch.rand(2, 3, 330, 500)
    assert stylizer.painter._should_stream(2, 330, 500, 1e9)
    result = stylizer.stylize(batch, brush=False)
    assert (result - stylizer.generator(batch).clamp(0, 1)).abs().max() * 255 < 1
    assert stylizer.stylize(batch.half()).dtype == torch.float16


@pytest.mark.slow
def test_the_engines_paint_the_same_picture(weights_file, photo):
    pictures = {}
    for way in ("torch", "openvino", "auto"):
        stylizer = hrstyle.load(weights_file, device="cpu", engine=way)
        pictures[way] = np.asarray(stylizer.stylize(photo, brush=False)).astype(int)
        # What does not fit into memory is streamed by either.
        streamed = np.asarray(stylizer.stylize(photo, brush=False, max_memory="1MB")).astype(int)
        assert np.abs(streamed - pictures["torch"]).max() <= 1
    assert stylizer.engine == "openvino"
    assert np.abs(pictures["openvino"] - pictures["torch"]).max() <= 1
    assert np.array_equal(pictures["auto"], pictures["openvino"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "engine"), [("bfloat16", "torch"), ("bfloat16", "openvino"), ("float16", "auto")]
)
def test_short_types_are_near(weights_file, photo, dtype, engine):
    exact = np.asarray(hrstyle.load(weights_file, engine="torch").stylize(photo)).astype(int)
    stylizer = hrstyle.load(weights_file, device="cpu", dtype=dtype, engine=engine)
    for max_memory in ("1GB", "1MB"):
        short = np.asarray(stylizer.stylize(photo, max_memory=max_memory))
        assert 0 < np.abs(short - exact).mean() < 2


def test_auto_does_without_an_openvino_that_cannot_be_used(weights_file, photo, monkeypatch):
    def broken(*arguments, **settings):
        raise InputError("openvino cannot be imported")

    monkeypatch.setattr(module, "openvino_model", broken)
    stylizer = hrstyle.load(weights_file, device="cpu")
    assert stylizer.engine == "torch"
    assert stylizer.stylize(photo).size == (451, 300)


@pytest.mark.parametrize("size", [(20, 30), (330, 900)])
def test_bytes_and_floats_are_painted_alike(tiny, size):
    painter = Painter(tiny, device="cpu", dtype="float32", engine="torch")
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (*size, 3), dtype=torch.uint8, generator=random)
    picture = (pixels / 255).permute(2, 0, 1)[None]
    expected = painter.paint(picture, budget=1e9, progress=False)
    painted = painter.paint(pixels, budget=1e9, progress=False)
    assert painted is pixels  # a large picture is held once
    assert (painted.permute(2, 0, 1) - expected[0] * 255).abs().max() < 0.51


@pytest.mark.parametrize("how", [{"stroke_size": 1}, {"stroke_size": 3}, {"stroke_size": 0.5}])
@pytest.mark.parametrize("brush", [True, False])
def test_a_picture_that_may_be_overwritten_is_held_once(tiny, how, brush):
    painter = Painter(tiny, device="cpu", dtype="float32", engine="torch")
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (40, 50, 3), dtype=torch.uint8, generator=random)
    before = pixels.clone()
    how = {"brush": brush, "budget": 1e9, **how}
    expected = painter.paint_strokes(pixels, size=(40, 50), **how)
    assert torch.equal(pixels, before)
    painted = painter.paint_strokes(pixels, size=(40, 50), overwrite=True, **how)
    assert painted.data_ptr() == pixels.data_ptr()
    assert torch.equal(painted, expected)
    other = painter.paint_strokes(before, size=(20, 25), overwrite=True, **how)
    assert other.shape == (20, 25, 3)


def test_unknown_devices_and_types_are_refused():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device(None) == best_device()
    assert find_dtype("bfloat16") is find_dtype(torch.bfloat16) is torch.bfloat16
    with pytest.raises(InputError, match="'warp' cannot be used.*try cpu"):
        find_device("warp")
    with pytest.raises(InputError, match="holds no data; try cpu"):
        find_device("meta")
    with pytest.raises(InputError, match="float32, bfloat16, float16"):
        find_dtype("int4")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_each_stylizer_has_weights_of_its_own(tiny, small, dtype):
    exact = Stylizer(tiny, style="mine", device="cpu", engine="torch")
    assert exact.generator is tiny  # which is held once
    before = exact.stylize(small)
    short = Stylizer(tiny, style="mine", device="cpu", engine="torch", dtype=dtype)
    assert {values.dtype for values in short.generator.parameters()} == {find_dtype(dtype)}
    assert {values.dtype for values in tiny.parameters()} == {torch.float32}
    assert exact.stylize(small) == before
    again = Stylizer(short.generator, style="mine", device="cpu", engine="torch")
    assert again.dtype == torch.float32
    assert again.stylize(small).size == small.size

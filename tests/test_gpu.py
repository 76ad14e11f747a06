"""What needs CUDA: `pytest -m gpu`; skipped where there is none."""

from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

import hrstyle
from hrstyle.checkpoint import load_generator
from hrstyle.generator import pyramid
from hrstyle.images import open_image, to_pil, to_tensor
from hrstyle.losses import build
from hrstyle.styles import Style
from hrstyle.train import data, train

pytestmark = pytest.mark.gpu


def difference(one, other):
    return np.abs(np.asarray(one).astype(int) - np.asarray(other))


@pytest.fixture(scope="module")
def on_cpu():
    photo = open_image(data.sample_path("chelsea.png"))
    return photo, hrstyle.load("starry_night", device="cpu", engine="torch").stylize(
        photo, brush=False
    )


@pytest.mark.parametrize(
    ("dtype", "mean", "most"), [("float32", 0.1, 3), ("bfloat16", 2, 80), ("float16", 0.5, 20)]
)
def test_a_gpu_paints_what_a_cpu_paints(on_cpu, dtype, mean, most):
    photo, expected = on_cpu
    found = difference(
        hrstyle.load("starry_night", device="cuda", dtype=dtype).stylize(photo, brush=False),
        expected,
    )
    assert found.mean() <= mean
    assert found.max() <= most


def test_streaming_on_a_gpu_is_the_plain_pass(on_cpu):
    photo = on_cpu[0].resize((3000, 2000))
    stylizer = hrstyle.load("starry_night", device="cuda")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    whole = {"stroke_size": 1, "brush": False}
    streamed = stylizer.stylize(photo, max_memory="300MB", **whole)
    assert torch.cuda.max_memory_allocated() - before < 600e6
    plain = stylizer.stylize(photo, max_memory="20GB", **whole)
    assert difference(streamed, plain).max() <= 3


def test_large_strokes_and_fitting_on_a_gpu(on_cpu):
    photo = on_cpu[0]
    stylizer = hrstyle.load("starry_night", device="cuda")
    tensor = to_tensor(photo).cuda()
    painted = stylizer.stylize(tensor, stroke_size=2)
    assert painted.device == tensor.device
    cpu = hrstyle.load("starry_night", device="cpu", engine="torch")
    assert difference(to_pil(painted), cpu.stylize(photo, stroke_size=2)).mean() <= 1.5
    alike = to_pil(cpu.stylize(tensor.cpu(), stroke_size=2))
    assert difference(to_pil(painted), alike).mean() <= 0.5
    fitted = hrstyle.Refiner(stylizer, steps=3).fit(photo)
    assert fitted.device.type == "cuda"
    assert difference(fitted.stylize(photo), on_cpu[1]).mean() > 1


@pytest.mark.parametrize("precision", ["32-true", "16-mixed", "bf16-mixed"])
def test_a_few_training_steps_on_a_gpu_give_weights(tmp_path, precision):
    path = train(
        style=Style(image="starry_night", name="night", size=64),
        data=data.samples(size=32, num_workers=0),
        generator=pyramid(channels=(4, 8, 8), blocks=(1, 1)),
        loss=build(),
        init="scratch",
        trainer=partial(
            pl.Trainer, max_steps=4, accelerator="gpu", devices=1, precision=precision,
            enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
        ),
        run_dir=tmp_path,
    )  # fmt: skip
    assert load_generator(path).style == "night"

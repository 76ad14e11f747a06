"""The parts of scripts/ on which what the README says depends."""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser

from hrstyle.checkpoint import save_weights
from hrstyle.errors import InputError
from hrstyle.generator import pyramid
from hrstyle.images import open_image
from hrstyle.losses.objectives import gram

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))


@pytest.mark.slow
def test_every_optimisation_brings_the_objective_down():
    import quality

    torch.manual_seed(0)
    photo, style = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 40, 40) ** 3
    loss = gram(gram_weight=3, content_layers=["relu2_1"], style_layers=["relu1_1"])
    loss.set_style(style)
    for run in quality.RUNS:
        values = quality.optimise(photo, loss, run, (1, 10, 20), "test")
        assert values[1] < 0.7 * values[0]
        assert values[2] < values[1]


def test_worth_in_steps():
    import quality

    marks, values = (5, 10, 100), [3.0, 2.0, 1.0]
    assert quality.worth(marks, values, 3.5) == "under 5"
    assert quality.worth(marks, values, 2.0) == "10"
    assert quality.worth(marks, values, 1.5) == "32"  # half way between 10 and 100: √1000
    assert quality.worth(marks, values, 0.5) == "over 100"
    assert quality.worth(marks, [3.0, float("nan"), 1.0], 2.0) == "diverged"


@pytest.mark.parametrize("name", ["a", "my pics (1), b", 'x="y"', "ü$äöé"])
def test_any_path_can_be_a_setting(tmp_path, name):
    import gallery

    (override,) = OverridesParser.create().parse_overrides([gallery.setting("k", tmp_path / name)])
    assert override.value() == str(tmp_path / name)
    assert not override.is_sweep_override()


def arguments(tmp_path):
    return argparse.Namespace(
        output=tmp_path / "runs",
        photos=tmp_path,
        pictures=None,
        alone=400,
        set=["trainer.max_steps=3"],
    )


def test_a_gallery_training_is_resumed(tmp_path):
    import train_gallery

    before = train_gallery.settings_of("mondrian", arguments(tmp_path))
    assert "ckpt_path=last" not in before
    assert before.index("trainer.max_steps=3") > before.index("trainer.max_steps=400")
    (tmp_path / "runs" / "mondrian").mkdir(parents=True)
    (tmp_path / "runs" / "mondrian" / "last.ckpt").touch()
    assert "ckpt_path=last" in train_gallery.settings_of("mondrian", arguments(tmp_path))


def test_pictures_from_a_folder(tmp_path):
    import gallery

    (tmp_path / "mondrian.jpg").touch()
    path = tmp_path / "mondrian.jpg"
    assert gallery.picture_settings("mondrian", tmp_path) == [f'style.image="{path}"']
    expected = [f'style.pictures.mondrian.image="{path}"']
    assert gallery.picture_settings("base", tmp_path) == expected
    assert gallery.picture_settings("the_kiss", tmp_path) == []


def test_each_gpu_that_may_be_used_is_a_place(monkeypatch):
    import train_gallery

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert [x["CUDA_VISIBLE_DEVICES"] for x in train_gallery.free_places(1).queue] == ["2", "5"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert [x["CUDA_VISIBLE_DEVICES"] for x in train_gallery.free_places(1).queue] == ["0", "1"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert len(train_gallery.free_places(3).queue) == 3


def test_weights_of_another_base_are_not_put_in_place(tmp_path):
    import train_gallery

    foreign = tmp_path / "mondrian.safetensors"
    save_weights(foreign, pyramid(), style="mondrian", base="0123")
    with pytest.raises(InputError, match=r"mondrian\.safetensors was trained from another base"):
        train_gallery.install("mondrian", foreign)


INTERRUPTED = """
import sys
sys.path.insert(0, sys.argv[1])
from gallery import Trainings
trainings = Trainings()
print(trainings.run(sys.argv[2:]), trainings.stopped)
print(trainings.run(["--help"]))
"""


@pytest.mark.slow
def test_a_training_that_is_interrupted_saves_first(tmp_path):
    run_dir = tmp_path / "run"
    settings = [
        *("style=starry_night", "init=scratch", "style.size=64", "data.size=32"),
        *("generator.channels=[4,8,8]", "generator.blocks=[1,1]", "data.num_workers=0"),
        *("trainer.accelerator=cpu", "trainer.max_steps=100000", f"run_dir={run_dir}"),
        *("preview_every_n_steps=100000", "checkpoint_every_n_steps=100000"),
    ]
    command = [sys.executable, "-c", INTERRUPTED, str(SCRIPTS), *settings]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    deadline = time.monotonic() + 120
    while not (run_dir / "preview.png").is_file():  # drawn as the first step begins
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(1)
    os.kill(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert output.splitlines() == ["interrupted True", "interrupted"]
    assert (run_dir / "last.ckpt").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("options", "shape"), [([], (3, 5)), (["--layers"], (2, 6))])
def test_weights_grid(tmp_path, monkeypatch, options, shape):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    import weights_grid

    out = tmp_path / "grid.jpg"
    small = ["--steps", "1", "--size", "32"]
    monkeypatch.setattr(sys, "argv", ["weights_grid.py", str(out), *options, *small])
    weights_grid.main()
    assert open_image(out).width == pytest.approx(260 * shape[1], abs=5)
    cells = weights_grid.layer_cells() if options else weights_grid.weight_cells()
    assert len(cells) == shape[0]
    titles = [title for row in cells for title, _ in row]
    assert len(set(titles)) == shape[0] * (shape[1] - 1)


def test_weights_grid_complains_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    import weights_grid

    monkeypatch.setattr(weights_grid.hrstyle, "optimize", None, raising=False)
    monkeypatch.setattr(sys, "argv", ["weights_grid.py", str(tmp_path / "gone" / "grid.jpg")])
    with pytest.raises(InputError, match="no folder"):
        weights_grid.main()


@pytest.mark.slow
def test_the_reference_is_built_without_complaints(tmp_path):
    subprocess.run([sys.executable, SCRIPTS / "reference.py", tmp_path], check=True, timeout=300)
    page = (tmp_path / "hrstyle" / "inference.html").read_text()
    assert "stroke_size" in page
    assert "Raises" in page
    assert (tmp_path / "hrstyle" / "engine" / "streaming.html").is_file()


def test_flicker_is_measured_along_the_motion():
    import video_flicker

    random = np.random.RandomState(0)
    scene = cv2.GaussianBlur(random.uniform(0, 255, (96, 200, 3)), (0, 0), 3)
    scene = np.clip((scene - 127) * 6 + 127, 0, 255)
    clip = [scene[:, 2 * t : 2 * t + 128].astype(np.uint8) for t in range(4)]
    flows = video_flicker.motions(clip)
    assert all(sure.mean() > 0.5 for _, sure in flows)
    assert all(abs(np.median(flow[..., 0]) - 2) < 0.1 for flow, _ in flows)
    still = video_flicker.warping_error(clip, flows)
    assert still < 1e-3
    assert video_flicker.warping_error([clip[0]] * 4, flows) > 20 * still
    # Two pictures of a still clip with noise of its own each: three channels, twice the variance.
    dark = [np.full((96, 128, 3), 100.0) + random.normal(0, 10, (96, 128, 3)) for _ in range(4)]
    unmoved = [(np.zeros((96, 128, 2), np.float32), np.ones((96, 128), bool))] * 3
    expected = 3 * 2 * (10 / 255) ** 2
    assert video_flicker.warping_error(dark, unmoved) == pytest.approx(expected, rel=0.03)

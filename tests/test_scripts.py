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

from hrstyle.checkpoint import load_generator, save_weights
from hrstyle.errors import InputError
from hrstyle.generator import pyramid
from hrstyle.images import open_image, to_tensor
from hrstyle.losses import VGG19
from hrstyle.styles import Style, gallery
from hrstyle.train import data
from hrstyle.train.data import sample_path

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))


@pytest.fixture
def judged(tmp_path):
    """A photo of 64x48 pixels as it is judged, and what judges by itself as the painting."""
    import quality

    path = tmp_path / "photo.png"
    open_image(sample_path("coffee.png")).resize((64, 48)).save(path)
    judge = quality.Judge(Style(image=str(path), name="photo"), VGG19(quality.LAYERS))
    return judge, to_tensor(open_image(path))


def test_a_photo_that_is_the_painting_is_judged_perfect(judged):
    judge, photo = judged
    found = judge(photo, photo)
    assert list(found) == ["statistics", "islands", "shapes", "hue", "contrast"]
    assert found["statistics"] == pytest.approx(0, abs=1e-6)
    assert found["islands"] == pytest.approx(0, abs=1e-3)
    assert found["shapes"] == pytest.approx(0, abs=1e-6)
    assert found["hue"] == pytest.approx(1, abs=1e-5)
    assert found["contrast"] == pytest.approx(1, abs=1e-5)
    assert judge(photo / 2, photo)["contrast"] == pytest.approx(0.5, abs=1e-5)


def test_each_measure_is_worse_for_a_result_of_noise(judged):
    judge, photo = judged
    torch.manual_seed(0)
    best, found = judge(photo, photo), judge(torch.rand_like(photo), photo)
    assert found["statistics"] > best["statistics"] + 0.1
    assert found["islands"] > best["islands"] + 0.1
    assert found["shapes"] > best["shapes"] + 0.1
    assert found["hue"] < best["hue"] - 0.1


def test_hue_is_kept_where_all_colours_are_exchanged_alike():
    import quality

    torch.manual_seed(0)
    photo = torch.rand(1, 3, 48, 64)
    assert quality.hue_kept(photo, photo) == pytest.approx(1, abs=1e-5)
    assert quality.hue_kept(photo.roll(1, dims=1), photo) == pytest.approx(1, abs=1e-5)
    assert quality.hue_kept((photo + 1) / 2, photo) == pytest.approx(1, abs=1e-5)
    exchanged = photo.unflatten(3, (4, 16))[:, :, :, [2, 0, 3, 1]].flatten(3)  # of the places
    assert quality.hue_kept(exchanged, photo) < 0.7


def test_a_row_of_the_table_holds_the_means():
    import quality

    rows = [
        {"statistics": 0.1, "islands": 1, "shapes": 0, "hue": 0.5, "contrast": 1},
        {"statistics": 0.2, "islands": 2, "shapes": 1, "hue": -0.5, "contrast": 0.8},
    ]
    cells = quality.means(rows)
    assert cells == ["0.150", "1.500", "0.500", "0.000", "0.900"]
    assert quality.table_row(["mean", *cells]) == "| mean | 0.150 | 1.500 | 0.500 | 0.000 | 0.900 |"


@pytest.mark.parametrize("name", ["a", "my pics (1), b", 'x="y"', "ü$äöé"])
def test_any_path_can_be_a_setting(tmp_path, name):
    import gallery

    (override,) = OverridesParser.create().parse_overrides([gallery.setting("k", tmp_path / name)])
    assert override.value() == str(tmp_path / name)
    assert not override.is_sweep_override()


def arguments(tmp_path, together=0):
    return argparse.Namespace(
        output=tmp_path / "runs",
        photos=tmp_path,
        pictures=None,
        alone=400,
        together=together,
        learning_rate=1e-3,
        set=["trainer.max_steps=3"],
    )


def test_a_gallery_training_is_resumed(tmp_path):
    import train_gallery

    before = train_gallery.settings_of("mondrian", arguments(tmp_path))
    assert "ckpt_path=last" not in before
    assert {"style=mondrian", "module.learning_rate=0.001"} <= set(before)
    assert before.index("trainer.max_steps=3") > before.index("trainer.max_steps=400")
    (tmp_path / "runs" / "mondrian").mkdir(parents=True)
    (tmp_path / "runs" / "mondrian" / "last.ckpt").touch()
    assert "ckpt_path=last" in train_gallery.settings_of("mondrian", arguments(tmp_path))


def test_a_style_starts_from_unfinished_weights_else_bundled_ones_else_the_base(
    tmp_path, monkeypatch
):
    import gallery
    import train_gallery

    def init_of(name):
        settings = train_gallery.settings_of(name, arguments(tmp_path))
        return next(line for line in settings if line.startswith("init="))

    monkeypatch.setattr(gallery, "STATE", tmp_path)
    assert init_of("mondrian") == "init=mondrian"
    assert init_of("whalers") == "init=base"
    (tmp_path / "whalers.safetensors").touch()
    assert init_of("whalers") == f'init="{tmp_path}/whalers.safetensors"'


def test_after_a_training_of_all_together_each_style_starts_from_its_result(tmp_path):
    import train_gallery

    start = tmp_path / "runs" / "base" / "mondrian.safetensors"
    found = train_gallery.settings_of("mondrian", arguments(tmp_path, together=70))
    assert f'init="{start}"' in found
    together = train_gallery.settings_of("base", arguments(tmp_path, together=70))
    assert together[:2] == ["experiment=together", "trainer.max_steps=70"]


def test_a_picture_in_the_folder_is_taken_instead_of_the_address(tmp_path):
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
def test_the_grid_has_a_picture_and_a_title_for_each_weight(tmp_path, monkeypatch, options, shape):
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


@pytest.mark.slow
def test_averaged_weights_are_between_both_and_have_the_paintings_colours(tmp_path, monkeypatch):
    import average_weights

    photos = sample_path("coffee.png").parent
    generators = [pyramid(channels=(4, 8, 8), blocks=(1, 1)) for _ in range(2)]
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for generator, file in zip(generators, files, strict=True):
        save_weights(file, generator, style="irises", base="common")
    output = tmp_path / "out.safetensors"
    weights = [f"{file}={share}" for file, share in zip(files, ("0.25", "0.75"), strict=True)]
    arguments = ["irises", *weights, "--photos", str(photos), "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["average_weights.py", *arguments])
    average_weights.main()
    averaged = load_generator(output)
    assert (averaged.style, averaged.base) == ("irises", "common")
    ours, a, b = (g.state_dict()["stem.0.0.weight"] for g in (averaged.generator, *generators))
    assert torch.allclose(ours, 0.25 * a + 0.75 * b, atol=1e-3)
    batch = torch.cat(data.folder(photos, num_workers=0).some_crops(24))
    with torch.no_grad():
        mean = averaged.generator(batch).clamp(0, 1).mean((0, 2, 3))
    assert torch.allclose(mean, gallery()["irises"].load().mean((0, 2, 3)), atol=0.05)


def test_a_share_that_is_no_number_is_an_input_error():
    import average_weights

    assert average_weights.share_of("a=b.safetensors=0.5") == ("a=b.safetensors", 0.5)
    for text in ("a.safetensors", "a.safetensors=half"):
        with pytest.raises(InputError, match="FILE=SHARE"):
            average_weights.share_of(text)

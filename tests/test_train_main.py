"""`python -m hrstyle.train` as its users call it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
import torch
from omegaconf import OmegaConf

import hrstyle
from hrstyle.train import __main__ as entry
from hrstyle.train.data import sample_path

TINY = [
    "generator.channels=[4,8,8]",
    "generator.blocks=[1,1]",
    "loss=gram",
    "loss.content_layers=[relu2_1]",
    "loss.style_layers=[relu1_1,relu2_1]",
    "init=scratch",
    "style.size=64",
    "data.size=32",
    "data.num_workers=0",
    "trainer.accelerator=cpu",
    "checkpoint_every_n_steps=2",
]


def run(folder, *arguments, code=0):
    result = subprocess.run(
        [sys.executable, "-m", "hrstyle.train", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == code, result.stderr
    return result


def global_step(checkpoint):
    return torch.load(checkpoint, weights_only=True)["global_step"]


def start(folder, *arguments):
    """A training in the background, stopped by the caller once its first checkpoint is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hrstyle.train", *arguments],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list(folder.rglob("last.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


@pytest.mark.slow
def test_train_from_any_folder_kill_and_resume(main, capsys, tmp_path):
    arguments = ["style=starry_night", *TINY, "data.num_workers=2", "trainer.max_steps=80"]
    process = start(tmp_path, *arguments)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    last = tmp_path / "runs" / "starry_night" / "last.ckpt"
    assert 2 <= global_step(last) < 80

    assert main(*arguments) == 2
    assert "ckpt_path=last" in capsys.readouterr().err
    finished = run(tmp_path, *arguments, "ckpt_path=last", "preview_every_n_steps=50")
    assert "preview_every_n_steps=50 (was 100)" in finished.stderr
    assert "Traceback" not in finished.stderr
    weights = last.parent / "starry_night.safetensors"
    assert f"--style {weights}" in finished.stderr
    assert hrstyle.load(weights).style == "starry_night"
    config = OmegaConf.load(last.parent / "config.yaml")
    assert config.generator.channels == [4, 8, 8]

    assert main(*arguments, "data.num_workers=0", "run_dir=unbroken") == 0
    unbroken = tmp_path / "unbroken" / "last.ckpt"
    one, other = (torch.load(p, weights_only=True)["state_dict"] for p in (last, unbroken))
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.slow
@pytest.mark.parametrize("options", [["data.num_workers=2"], ["trainer.devices=2"]])
def test_interrupt_leaves_a_checkpoint(tmp_path, options):
    process = start(tmp_path, "style=starry_night", *TINY, *options, "trainer.max_steps=100000")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it, too
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "to go on, add ckpt_path=last" in errors
    assert "Traceback" not in errors
    assert global_step(tmp_path / "runs" / "starry_night" / "last.ckpt") >= 2


TWO_PROCESSES = """
from functools import partial
from pathlib import Path

import pytorch_lightning as pl
import torch

from hrstyle.generator import pyramid
from hrstyle.losses.objectives import gram
from hrstyle.styles import Style
from hrstyle.train import data, train


class Keep(pl.Callback):
    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.batch = batch

    def on_train_end(self, trainer, module):
        weights = module.generator.state_dict()
        torch.save({"batch": self.batch, **weights}, f"rank{trainer.global_rank}.pt")


pl.seed_everything(0)
train(
    style=Style(image="starry_night", name="night", size=64),
    data=data.samples(size=32, num_workers=0),
    generator=pyramid(channels=(4, 8, 8), blocks=(1, 1)),
    loss=gram(content_layers=["relu2_1"], style_layers=["relu1_1", "relu2_1"]),
    init="scratch",
    trainer=lambda callbacks, **settings: pl.Trainer(
        callbacks=[*callbacks, Keep()], max_steps=4, accelerator="cpu", devices=2, **settings
    ),
    run_dir=Path("run"),
)
"""


@pytest.mark.slow
def test_two_processes_see_other_crops_and_keep_the_same_weights(tmp_path):
    (tmp_path / "two.py").write_text(TWO_PROCESSES)
    subprocess.run([sys.executable, "two.py"], cwd=tmp_path, check=True, capture_output=True)
    first, second = (torch.load(tmp_path / f"rank{i}.pt", weights_only=True) for i in (0, 1))
    assert not torch.equal(first.pop("batch"), second.pop("batch"))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert global_step(tmp_path / "run" / "last.ckpt") == 4


@pytest.mark.slow
def test_two_processes_diverge_in_one_sentence(tmp_path):
    arguments = ["style=starry_night", *TINY, "trainer.devices=2", "trainer.max_steps=50"]
    diverged = run(tmp_path, *arguments, "module.learning_rate=1e30", code=1)
    assert "hrstyle.train: step" in diverged.stderr


@pytest.mark.slow
def test_a_broken_photo_is_reported_in_one_line_and_skipped(tmp_path, photo):
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    (tmp_path / "photos" / "cat.png").write_bytes(photo.read_bytes())
    (tmp_path / "photos" / "deep" / "cut.png").write_bytes(photo.read_bytes()[:5000])
    arguments = ["style=starry_night", *TINY, "data.num_workers=2", "trainer.max_steps=20"]
    result = run(tmp_path, *arguments, "data=folder", "data.root=photos")
    lines = [line for line in result.stderr.splitlines() if "cut.png" in line]
    assert len(lines) == 1
    assert "hrstyle.train: skipped: photos/deep/cut.png" in lines[0]


@pytest.fixture
def main(call_entry):
    return partial(call_entry, entry.main)


@pytest.mark.slow
def test_a_sweep_over_a_setting_trains_each_into_a_folder(main, tmp_path):
    # The folder's name holds all settings, and may have 255 characters.
    tiny = [setting for setting in TINY if "every" not in setting and "content" not in setting]
    arguments = ["-m", "style=starry_night", *tiny, "trainer.max_steps=1"]
    assert main(*arguments, "loss.style_weight=0.5,2") == 0
    for weight in (0.5, 2):
        folders = list((tmp_path / "runs" / "starry_night").glob(f"*loss.style_weight={weight},*"))
        assert len(folders) == 1
        assert OmegaConf.load(folders[0] / "config.yaml").loss.style_weight == weight
        assert (folders[0] / "starry_night.safetensors").is_file()


@pytest.mark.slow
def test_a_sweep_over_paintings_trains_each(main, tmp_path, photo):
    painting = sample_path("coffee.png")
    assert main("-m", f"style.image={photo},{painting}", *TINY, "trainer.max_steps=1") == 0
    assert len(list(tmp_path.rglob("chelsea.safetensors"))) == 1
    assert len(list(tmp_path.rglob("coffee.safetensors"))) == 1


SHORT = [*TINY, "trainer.max_steps=1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["it's (1), 絵 = a&b.png", "2024", "[a].png", os.fsdecode(b"Gem\xe4lde.png")]
)
def test_a_painting_may_have_any_name(main, tmp_path, photo, name):
    shutil.copy(photo, name)
    assert main(f"style.image={name}", *SHORT) == 0
    (weights,) = tmp_path.rglob("*.safetensors")
    style = hrstyle.load(weights).style
    assert weights == tmp_path / "runs" / style / f"{style}.safetensors"
    assert style == name.removesuffix(".png").replace("\udce4", "ä")


@pytest.mark.slow
def test_folders_may_have_any_name(main, tmp_path, photo):
    folder = tmp_path / "my photos (2024), new"
    folder.mkdir()
    shutil.copy(photo, folder)
    photos = ["style=starry_night", *SHORT, "data=folder", f"data.root={folder.name}"]
    assert main(*photos, "run_dir=2024") == 0
    assert main(*photos, "init=2024/starry_night.safetensors", "run_dir=it's") == 0
    assert (tmp_path / "it's" / "starry_night.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "name"), [("[pair/a.png, 'pair/b, c.png']", "a"), ("pair", "pair")]
)
def test_several_paintings_make_one_style(main, tmp_path, photo, given, name):
    (tmp_path / "pair").mkdir()
    for file in ("a.png", "b, c.png"):
        shutil.copy(photo, tmp_path / "pair" / file)
    assert main(f"style.image={given}", *SHORT) == 0
    assert (tmp_path / "runs" / name / f"{name}.safetensors").is_file()


@pytest.mark.slow
def test_a_job_of_a_sweep_that_fails_leaves_the_others(main, tmp_path, photo, capsys):
    shutil.copy(photo, "b.png")
    assert main("-m", "style.image=gone.png,b.png", *SHORT) == 2
    errors = capsys.readouterr().err
    assert "no picture 'gone.png'" in errors
    assert "1 of the sweep's 2 jobs failed" in errors
    assert len(list(tmp_path.rglob("b.safetensors"))) == 1


@pytest.mark.slow
def test_max_time_says_where_it_stopped_and_how_to_go_on(main, caplog):
    arguments = ["style=starry_night", *TINY, "trainer.max_steps=100000"]
    with caplog.at_level("INFO"):
        assert main(*arguments, "trainer.max_time=00:00:00:01") == 0
    stopped = re.search(r"Stopped at step (\d+) of 100000; (.*)", caplog.text)
    assert stopped[2] == "to go on, add ckpt_path=last and a longer trainer.max_time."
    assert f"Trained starry_night for {stopped[1]} of 100000 steps" in caplog.text


@pytest.mark.slow
def test_divergence_is_one_sentence(main, tmp_path):
    arguments = ["style=starry_night", *TINY, "trainer.max_steps=50", "module.learning_rate=1e30"]
    said = main(*arguments, "checkpoint_every_n_steps=1000")
    # sys.exit prints such a text and makes it exit code 1.
    assert said.startswith("hrstyle.train: step")
    assert "\n" not in said


# These are turned down once the loss has seen the painting, which takes long at its full size.
SOON = ["style=starry_night", "style.size=64"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "style=NAME (--help lists them) or style.image="),
        (["style=guernica"], "starry_night"),
        (["style.image=gone.jpg"], "gone.jpg"),
        (["style=starry_night", "los.style_weight=1"], "did you mean loss.style_weight=1"),
        (["style=starry_night", "loss.stile_weight=1"], "did you mean loss.style_weight=1"),
        (["style=starry_night", "loss.style_weight=much"], "could not be converted to Float"),
        (
            ["style=starry_night", "loss=gram", "loss.style_layer_weights=[1]"],
            "gram: layer_weights=[1]",
        ),
        (["style=starry_night", "loss=gram", "loss.style_layers=[relu9_9]"], "relu9_9"),
        (["style=starry_night", "loss.moments_weight=-1"], "moments: weight=-1"),
        (["style=starry_night", "loss.more_terms=[{_target_: mine.Gone, weight: 1}]"], "mine"),
        (["style.image=my painting (1).jpg"], "no picture 'my painting (1).jpg'"),
        (["style=starry_night", "+colour=red"], "colour"),
        (["style=starry_night", "checkpoint_every_n_steps=0"], "at least 1"),
        (["style=starry_night", "trainer.max_epochs=3"], "trainer.max_epochs"),
        (["style=starry_night", "loss=gram", "loss.content_layers=[relu9_9]"], "relu9_9"),
        (["style=starry_night", "generator.channels=[16]"], "channels=[16]"),
        (["style=starry_night", "data=folder"], "data.root"),
        (["style=starry_night", "data=folder", "data.root=gone"], "data.root=gone"),
        (["style=starry_night", "data=folder", "data.root=."], "no pictures"),
        (["style=starry_night", "data=pair", "data.content=gone.jpg"], "gone.jpg"),
        (["experiment=photorealistic", "style=starry_night"], "add data.content=PHOTO"),
        (["style=base"], "experiment=together data.root=PHOTOS"),
        (["experiment=together"], "data.root must be given"),
        (["experiment=photorealistic", "data.content=x.jpg"], "no style given"),
        ([*SOON, "trainer.precision=foo"], "'foo'"),
        ([*SOON, "trainer.max_steps=-1"], "trainer.max_steps"),
        (["style=starry_night", "ckpt_path=last"], "last.ckpt"),
        ([*SOON, "module.learning_rate=-1"], "learning_rate=-1"),
        (["style=starry_night", "style.size=3"], "style.size=3"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(main, capsys, arguments, message):
    assert main(*arguments) == 2
    last_line = capsys.readouterr().err.strip().splitlines()[-1]
    assert last_line.startswith("hrstyle.train: ")
    assert message in last_line


@pytest.mark.slow
def test_help_shows_examples(main, capsys):
    main("--help")
    text = capsys.readouterr().out
    for example in ("style.image=my_painting.jpg", "data=folder", "ckpt_path=last", "tensorboard"):
        assert example in text


def test_settings_that_are_gone_have_changed_too():
    assert entry.changed_settings({"a": 1, "gram": 2}, {"a": 1}) == ["gram=None (was 2)"]
    assert entry.changed_settings({"a": {"b": 1}}, {"a": {"b": 2}}) == ["a.b=2 (was 1)"]
    assert entry.changed_settings({"run_dir": "x", "a": 1}, {"a": 1}) == []


@pytest.mark.slow
def test_settings_that_trained_nothing_are_not_recorded(main, tmp_path, capsys):
    common = ["style=starry_night", *TINY, f"run_dir={tmp_path}"]
    assert main(*common, "trainer.max_steps=1") == 0
    before = (tmp_path / "config.yaml").read_text()
    assert main(*common, "trainer.strategy=nope", "ckpt_path=last") == 2
    assert "nope" in capsys.readouterr().err
    assert (tmp_path / "config.yaml").read_text() == before

"""`python -m hrstyle.train` as its users call it."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from omegaconf import OmegaConf

import hrstyle

TINY = [
    "generator.channels=[4,8,8]",
    "generator.blocks=[1,1]",
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


@pytest.mark.slow
def test_train_from_any_folder_kill_and_resume(tmp_path):
    arguments = ["style=starry_night", *TINY, "trainer.max_steps=100000"]
    last = tmp_path / "runs" / "starry_night" / "last.ckpt"
    process = subprocess.Popen(
        [sys.executable, "-m", "hrstyle.train", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not last.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    killed_at = global_step(last)
    assert killed_at >= 2

    refused = run(tmp_path, *arguments, code=2)
    assert "ckpt_path=last" in refused.stderr

    steps = killed_at + 3
    finished = run(tmp_path, *arguments[:-1], f"trainer.max_steps={steps}", "ckpt_path=last")
    assert global_step(last) == steps
    assert "--style" in finished.stderr
    assert "Traceback" not in finished.stderr
    weights = last.parent / "starry_night.safetensors"
    assert hrstyle.load(weights).style == "starry_night"
    config = OmegaConf.load(last.parent / "config.yaml")
    assert config.trainer.max_steps == steps
    assert config.generator.channels == [4, 8, 8]


@pytest.mark.slow
@pytest.mark.parametrize("options", [["data.num_workers=2"], ["trainer.devices=2"]])
def test_interrupt_leaves_a_checkpoint(tmp_path, options):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "hrstyle.train",
            "style=starry_night",
            *TINY,
            *options,
            "trainer.max_steps=100000",
        ],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    last = tmp_path / "runs" / "starry_night" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not last.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it, too
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with ckpt_path=last" in errors
    assert "Traceback" not in errors
    assert global_step(last) >= 2


@pytest.mark.slow
def test_two_processes(tmp_path):
    """Two processes of one crop a step train about as one process of two crops does."""
    arguments = ["style=starry_night", *TINY, "trainer.max_steps=3"]
    run(tmp_path, *arguments, "trainer.devices=2", "run_dir=two")
    run(tmp_path, *arguments, "data.batch_size=2", "run_dir=one")
    two, one = (torch.load(tmp_path / d / "last.ckpt", weights_only=True) for d in ("two", "one"))
    assert two["global_step"] == one["global_step"] == 3
    differences = [
        (two["state_dict"][k] - one["state_dict"][k]).abs().max() for k in one["state_dict"]
    ]
    assert 0 < max(differences) < 0.05


@pytest.mark.slow
def test_sweep(tmp_path):
    run(
        tmp_path, "-m", "style=starry_night", *TINY, "trainer.max_steps=1", "loss.style_weight=5,20"
    )
    configs = sorted(tmp_path.rglob("config.yaml"))
    assert [OmegaConf.load(c).loss.style_weight for c in configs] in ([5, 20], [20, 5])
    for config in configs:
        assert (config.parent / "starry_night.safetensors").is_file()


@pytest.mark.slow
def test_divergence_is_one_sentence(tmp_path):
    result = run(
        tmp_path,
        "style=starry_night",
        *TINY,
        "trainer.max_steps=50",
        "module.learning_rate=1e30",
        "checkpoint_every_n_steps=1000",
        code=1,
    )
    assert "hrstyle.train: step" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture
def main(monkeypatch, tmp_path):
    """The entry point in this process, for arguments that it turns down before any training."""
    from hrstyle.train.__main__ import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", os.environ.get("HYDRA_FULL_ERROR", "1"))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["hrstyle.train", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code

    return call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "style=NAME (starry_night) or style.image="),
        (["style=guernica"], "starry_night"),
        (["style.image=gone.jpg"], "gone.jpg"),
        (["style=starry_night", "los.style_weight=1"], "los.style_weight"),
        (["style=starry_night", "loss.stile_weight=1"], "loss.stile_weight"),
        (["style=starry_night", "loss.style_weight=much"], "loss.style_weight=much"),
        (["style=starry_night", "loss.style_layers=[relu9_9]"], "style_layer_weights"),
        (["style=starry_night", "loss.content_layers=[relu9_9]"], "relu9_9"),
        (["style=starry_night", "generator.channels=[16]"], "channels=[16]"),
        (["style=starry_night", "data=folder"], "data.root"),
        (["style=starry_night", "data=folder", "data.root=gone"], "data.root=gone"),
        (["style=starry_night", "data=folder", "data.root=."], "no pictures"),
        (["style=starry_night", "data=pair", "data.content=gone.jpg"], "gone.jpg"),
        (["style=starry_night", "trainer.precision=foo"], "'foo'"),
        (["style=starry_night", "trainer.max_steps=-1"], "trainer.max_steps"),
        (["style=starry_night", "ckpt_path=last"], "last.ckpt"),
        (["style=starry_night", "module.learning_rate=-1"], "learning_rate=-1"),
        (["style=starry_night", "style.size=3"], "style.size=3"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(main, capsys, arguments, message):
    assert main(*arguments) == 2
    last_line = capsys.readouterr().err.strip().splitlines()[-1]
    assert last_line.startswith("hrstyle.train: ")
    assert message in last_line


def test_help_teaches(main, capsys):
    main("--help")
    text = capsys.readouterr().out
    for example in ("style.image=my_painting.jpg", "data=folder", "ckpt_path=last", "tensorboard"):
        assert example in text

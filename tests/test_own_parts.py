"""A network and a loss from outside the package, as the training guide has them."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import ImageChops
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hrstyle.checkpoint import load_generator
from hrstyle.engine.onnx import onnx_bytes
from hrstyle.errors import InputError
from hrstyle.images import open_image
from hrstyle.inference import Stylizer
from hrstyle.losses import build
from hrstyle.train.__main__ import main

GUIDE = (Path(__file__).parent.parent / "hrstyle" / "train" / "README.md").read_text()
SECTION = GUIDE.split("## A network and a loss of your own")[1].split("\n## ")[0]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", SECTION, flags=re.DOTALL)


def settings():
    """What the guide's command gives, and how to make it small."""
    (command,) = blocks("sh")
    arguments = shlex.split(command.replace("\\\n", " "))
    assert arguments[:2] == ["hrstyle", "train"]
    small = ["style.size=64", "data.size=32", "data.num_workers=0", "trainer.accelerator=cpu"]
    small.append("trainer.log_every_n_steps=1")
    return [*arguments[2:], *small]


@pytest.mark.slow
def test_the_guides_own_network_and_loss(tmp_path, photo, monkeypatch, call_entry):
    definition, _ = blocks("python")
    (tmp_path / "mine.py").write_text(definition)
    command = [sys.executable, "-m", "hrstyle.train", *settings(), "trainer.max_steps=2"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    monkeypatch.syspath_prepend(tmp_path)
    assert call_entry(main, *settings(), "trainer.max_steps=4", "ckpt_path=last") == 0
    from mine import Brightness, Small

    path = tmp_path / "runs" / "starry_night" / "starry_night.safetensors"
    with pytest.raises(InputError, match="unknown generator"):
        load_generator(path)
    generator = load_generator(path, like=Small(width=24)).generator
    assert generator.down.out_channels == 24
    picture = open_image(photo)
    whole, streamed = (
        Stylizer(generator, style="mine", device="cpu", engine="torch").stylize(picture, **how)
        for how in ({}, {"max_memory": 1})
    )
    extrema = ImageChops.difference(whole, streamed).getextrema()
    assert max(high for _, high in extrema) <= 1
    assert onnx_bytes(generator, style="mine")

    curves = EventAccumulator(str(path.parent / "tensorboard")).Reload()
    assert len(curves.Scalars("brightness")) == len(curves.Scalars("moments"))
    loss = build(more_terms=[Brightness(2.0)])
    loss.set_style()
    dark, light = torch.full((1, 3, 32, 32), 0.25), torch.full((1, 3, 32, 32), 0.75)
    for photo in (dark, loss.photo_features(dark)):
        terms = loss(light, photo)
        assert terms["brightness"].item() == pytest.approx(0.25)
    plain = build()
    plain.set_style()
    assert terms["loss"].item() == pytest.approx(plain(light, dark)["loss"].item() + 0.5)

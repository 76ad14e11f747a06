"""What a training leaves in its folder, besides its weights as such (`test_train_run.py`)."""

from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
from PIL import Image
from torch import nn

from hrstyle.checkpoint import load_generator
from hrstyle.engine.options import StylizeOptions
from hrstyle.generator import pyramid
from hrstyle.generator.base import Generator
from hrstyle.inference import Stylizer
from hrstyle.losses import build
from hrstyle.styles import Style
from hrstyle.train import data, train

pytestmark = pytest.mark.slow


class Upsampled(Generator):
    """A network of one's own, without a `Conv2d`."""

    def __init__(self):
        super().__init__(stride=2, mean=(0.5,) * 3, std=(0.5,) * 3)
        self.config = {"name": "mine.Upsampled"}
        self.body = nn.Sequential(nn.PixelUnshuffle(2), nn.ConvTranspose2d(12, 3, 2, stride=2))

    def network(self, x):
        return self.body(x)


def run(run_dir, photos=None, generator=None, **settings):
    pl.seed_everything(0, verbose=False)
    bare = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
    loss = build("gram", content_layers=["relu2_1"], style_layers=["relu1_1"])
    return train(
        style=Style(image="starry_night", name="night", size=64),
        data=photos or data.samples(size=32, num_workers=0),
        generator=generator or pyramid(channels=(4, 8, 8), blocks=(1, 1)),
        loss=loss,
        run_dir=run_dir,
        trainer=partial(pl.Trainer, max_steps=1, log_every_n_steps=1, **bare),
        init="scratch",
        **settings,
    )


def test_the_preview_shows_matched_colours(tmp_path):
    run(tmp_path / "matched")
    run(tmp_path / "not", match_colours=False)
    one, other = (Image.open(tmp_path / name / "preview.png") for name in ("matched", "not"))
    difference = np.abs(np.asarray(one, float) - np.asarray(other, float))
    width = one.width // 2
    assert difference[:, :width].max() == 0  # the photos
    assert difference[:, width:].mean() > 10


def test_weights_are_saved_before_anything_that_may_fail(tmp_path, monkeypatch):
    def interrupted(*args, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("hrstyle.train.run.give_colours", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert load_generator(tmp_path / "night.safetensors").style == "night"


def test_a_network_of_ones_own_keeps_its_colours_and_is_loaded_from_python(tmp_path, caplog):
    with caplog.at_level("INFO"):
        path = run(tmp_path, generator=Upsampled())
    assert "colours stay" in caplog.text
    assert "like=YOUR_GENERATOR" in caplog.text
    assert load_generator(path, Upsampled()).generator.config["name"] == "mine.Upsampled"


def test_the_photo_of_a_pair_is_repainted_as_it_is_told(tmp_path, small, caplog):
    small.save(tmp_path / "cat.png")
    plain = StylizeOptions(stroke_size=1, brush=False)
    pair = data.OnePhoto(content=tmp_path / "cat.png", size=64)
    with caplog.at_level("INFO"):
        path = run(tmp_path / "run", pair, stylize=plain)
    stylizer = Stylizer(load_generator(path).generator, style="night", device="cpu", engine="torch")
    painted = np.asarray(Image.open(tmp_path / "run" / "cat-night.png"))
    assert np.array_equal(painted, np.asarray(stylizer.stylize(small, options=plain)))
    assert not np.array_equal(painted, np.asarray(stylizer.stylize(small)))
    assert "--stroke-size 1 --no-brush" in caplog.text

"""Where a training run starts: initial weights, or a checkpoint that fits."""

from dataclasses import replace
from functools import partial

import pytest
import pytorch_lightning as pl
import torch

from hrstyle.checkpoint import fingerprint, load_generator
from hrstyle.errors import InputError
from hrstyle.generator import pyramid
from hrstyle.losses.objectives import gram
from hrstyle.styles import BASE, Style, StyleSet, list_styles, weights_path
from hrstyle.train import data, train
from hrstyle.train.start import LAST, bundled_starts, find_checkpoint, start_from

NIGHT = Style(image="starry_night", name="night", size=64)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The weights file of a run of one step, beside its checkpoint."""
    settings = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
    return train(
        style=NIGHT,
        data=data.samples(size=32, num_workers=0),
        generator=pyramid(channels=(4, 8, 8), blocks=(1, 1)),
        loss=gram(content_layers=["relu2_1"], style_layers=["relu1_1"]),
        trainer=partial(pl.Trainer, max_steps=1, log_every_n_steps=1, **settings),
        run_dir=tmp_path_factory.mktemp("run"),
        init="scratch",
    )


@pytest.mark.slow
def test_the_bundled_base_is_what_styles_start_from():
    generator = pyramid()
    base = start_from(generator, "base")
    bundled = load_generator(weights_path(BASE))
    assert base == bundled.base
    assert fingerprint(generator) == fingerprint(bundled.generator)
    assert {start_from(pyramid(), name) for name in list_styles()} == {
        base
    }  # so that all of them mix
    before = generator.state_dict()["stem.0.0.weight"].clone()
    assert start_from(generator, "scratch") == ""
    assert torch.equal(generator.state_dict()["stem.0.0.weight"], before)


def test_start_from_what_does_not_fit():
    with pytest.raises(InputError, match="init=base holds.*add init=scratch"):
        start_from(pyramid(channels=(4, 8), blocks=(1,)), "base")
    with pytest.raises(InputError, match="guernica"):
        start_from(pyramid(), "guernica")


def test_several_styles_start_from_their_bundled_weights_and_one_base():
    styles = [Style(image=name, name=name) for name in ("starry_night", "irises", "whalers")]
    generators, base = bundled_starts(styles, pyramid())
    assert set(generators) == {"starry_night", "irises"}  # whalers has no weights
    assert base == load_generator(weights_path(BASE)).base
    assert bundled_starts(styles[2:], pyramid()) == ({}, "")
    with pytest.raises(InputError, match="add init=scratch"):
        bundled_starts(styles, pyramid(channels=(4, 8), blocks=(1,)))


def test_find_checkpoint_never_lets_a_run_be_overwritten(tmp_path, finished):
    generator = pyramid(channels=(4, 8, 8), blocks=(1, 1))
    last, other = tmp_path / LAST, tmp_path / "other.ckpt"
    assert find_checkpoint(tmp_path, None, generator, NIGHT) is None
    with pytest.raises(InputError, match="no checkpoint"):
        find_checkpoint(tmp_path, "last", generator, NIGHT)
    other.write_bytes((finished.with_name(LAST)).read_bytes())
    path, trained = find_checkpoint(tmp_path, str(other), generator, NIGHT)
    assert (path, trained.style) == (other, NIGHT.name)
    last.write_bytes((finished.with_name(LAST)).read_bytes())
    for ckpt_path in ("last", str(last)):
        assert find_checkpoint(tmp_path, ckpt_path, generator, NIGHT)[0] == last
    for ckpt_path in (None, other):
        with pytest.raises(InputError, match="already holds a run"):
            find_checkpoint(tmp_path, ckpt_path, generator, NIGHT)


def test_find_checkpoint_refuses_what_does_not_fit(tmp_path, finished):
    generator = pyramid(channels=(4, 8, 8), blocks=(1, 1))
    with pytest.raises(InputError, match="another generator"):
        find_checkpoint(
            tmp_path, finished.with_name(LAST), pyramid(channels=(4, 8), blocks=(1,)), NIGHT
        )
    with pytest.raises(InputError, match="only weights"):
        find_checkpoint(tmp_path, finished, generator, NIGHT)
    (tmp_path / "foreign.ckpt").write_text("not a checkpoint")
    with pytest.raises(InputError, match="foreign"):
        find_checkpoint(tmp_path, tmp_path / "foreign.ckpt", generator, NIGHT)


def test_find_checkpoint_refuses_another_style(tmp_path, finished):
    generator, last = pyramid(channels=(4, 8, 8), blocks=(1, 1)), finished.with_name(LAST)
    other = replace(NIGHT, name="morning")
    sets = [StyleSet(name="all", pictures={"one": one}) for one in (NIGHT, other)]
    for style in (other, *sets):
        with pytest.raises(InputError, match="a training of night, not of (night|morning);"):
            find_checkpoint(tmp_path, last, generator, style)

"""Whole trainings in this process, of a few small steps each."""

import signal
import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import hrstyle
from hrstyle.checkpoint import fingerprint, load_generator
from hrstyle.errors import InputError, NonFiniteError
from hrstyle.generator import paper, pyramid
from hrstyle.images import open_image
from hrstyle.losses import PerceptualLoss
from hrstyle.losses.objectives import build as objective, gram
from hrstyle.styles import Style, gallery, picture_names
from hrstyle.train import data
from hrstyle.train.module import StyleTransfer
from hrstyle.train.run import train
from hrstyle.train.start import LAST

# Of the loss network as little as a training needs; `finished` has all of it.
SHALLOW = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}
NAMED_SHALLOW = {"name": "gram", **SHALLOW}


def run(
    run_dir,
    steps,
    *,
    loss=NAMED_SHALLOW,
    repeat=1,
    extra=(),
    ckpt_path=None,
    init="scratch",
    lr=0.003,
    every=2,
    preview=100,
    style=None,
    match_colours=True,
    **trainer,
):
    pl.seed_everything(0, verbose=False)

    def engine(callbacks, **settings):
        # An extra callback runs first, as a signal or an error in a step would.
        settings |= {"enable_progress_bar": False, "log_every_n_steps": 1} | trainer
        return pl.Trainer(
            max_steps=steps,
            callbacks=[*extra, *callbacks],
            enable_model_summary=False,
            accelerator="cpu",
            **settings,
        )

    return train(
        match_colours=match_colours,
        style=style or Style(image="starry_night", name="night", size=64),
        data=data.samples(size=32, num_workers=0, repeat=repeat),
        generator=pyramid(channels=(4, 8, 8), blocks=(1, 1)),
        loss=loss if isinstance(loss, PerceptualLoss) else objective(**loss),
        trainer=engine,
        module=partial(StyleTransfer, learning_rate=lr),
        run_dir=run_dir,
        preview_every_n_steps=preview,
        checkpoint_every_n_steps=every,
        init=init,
        ckpt_path=ckpt_path,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = run(run_dir, 6, loss={}, preview=2)
    return run_dir, path


def weights(run_dir):
    return torch.load(run_dir / LAST, weights_only=True)["state_dict"]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


class At(Callback):
    """Does something at a step."""

    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_train_batch_start(self, trainer, *args):
        if trainer.global_step == self.step and self.action:
            action, self.action = self.action, None
            action()


def test_what_a_finished_run_leaves_behind(finished):
    run_dir, path = finished
    names = {p.name for p in run_dir.iterdir()}
    assert names == {LAST, "night.safetensors", "preview.png", "tensorboard"}
    assert path == run_dir / "night.safetensors"


@pytest.mark.slow
def test_both_files_load_and_paint_the_same_but_for_the_colours(finished, photo):
    run_dir, path = finished
    small, last = hrstyle.load(path), hrstyle.load(run_dir / LAST)
    assert small.style == last.style == "night"
    one, other = (
        np.asarray(x.stylize(photo, brush=False), dtype=float).reshape(-1, 3) for x in (small, last)
    )
    unclamped = (np.minimum(one, other).min(1) > 0) & (np.maximum(one, other).max(1) < 255)
    assert unclamped.mean() > 0.1
    one, other = one[unclamped], np.c_[other[unclamped], np.ones(unclamped.sum())]
    matrix, *_ = np.linalg.lstsq(other, one, rcond=None)
    assert np.abs(other @ matrix - one).max() <= 3  # float16 against float32, and rounding
    assert np.abs(matrix[:3] - np.eye(3)).max() > 0.01  # `hrstyle.generator.colours`


@pytest.mark.slow
def test_colours_need_not_be_matched(tmp_path, photo):
    run(tmp_path, 1, match_colours=False)
    small, last = hrstyle.load(tmp_path / "night.safetensors"), hrstyle.load(tmp_path / LAST)
    one, other = (np.asarray(x.stylize(photo, brush=False), dtype=int) for x in (small, last))
    assert np.abs(one - other).max() <= 2  # float16 against float32


def test_checkpoint_holds_no_loss_network(finished):
    checkpoint = torch.load(finished[0] / LAST, weights_only=True)
    assert all(key.startswith("generator.") for key in checkpoint["state_dict"])
    generator = pyramid(channels=(4, 8, 8), blocks=(1, 1))
    (optimizer,) = checkpoint["optimizer_states"]
    assert len(optimizer["state"]) == len(list(generator.parameters()))


def test_tensorboard_shows_losses_learning_rate_and_pictures(finished):
    events = EventAccumulator(str(finished[0] / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    scalars = set(events.Tags()["scalars"])
    weights = objective().weights
    assert scalars >= {"loss", "learning_rate", *weights}
    assert [event.step for event in events.Scalars("loss")] == list(range(6))
    assert [event.step for event in events.Images("preview")] == [0, 2, 4, 6]
    assert [event.step for event in events.Images("style")] == [0]
    terms = {name: events.Scalars(name)[0].value for name in weights}
    total = sum(weights[name] * value for name, value in terms.items())
    assert events.Scalars("loss")[0].value == pytest.approx(total, rel=1e-4)


def test_preview_is_photo_beside_result(finished, photo):
    preview = open_image(finished[0] / "preview.png")
    assert preview.size == (2 * 384 + 3 * 2, 2 * 255 + 3 * 2)
    shown = np.asarray(preview.crop((2, 2, 386, 257))).astype(int)
    original = open_image(photo).copy()
    original.thumbnail((384, 384))
    assert np.abs(shown - np.asarray(original)).mean() < 1


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_resuming_gives_the_weights_of_an_unbroken_run(tmp_path, accumulate):
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    run(unbroken, 8, accumulate_grad_batches=accumulate)

    def power_cut():
        raise SystemError("power cut")

    with pytest.raises(SystemError):
        run(broken, 8, extra=[At(5, power_cut)], accumulate_grad_batches=accumulate)
    assert torch.load(broken / LAST, weights_only=True)["global_step"] == 4
    run(broken, 8, ckpt_path="last", accumulate_grad_batches=accumulate)
    assert same(weights(unbroken), weights(broken))


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
def test_interrupt_finishes_the_step_and_resumes(tmp_path, accumulate):
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    run(unbroken, 6, accumulate_grad_batches=accumulate)
    before = signal.getsignal(signal.SIGINT)
    stop = At(3, lambda: signal.raise_signal(signal.SIGINT))
    assert run(broken, 6, extra=[stop], every=100, accumulate_grad_batches=accumulate) is None
    assert signal.getsignal(signal.SIGINT) is before
    assert torch.load(broken / LAST, weights_only=True)["global_step"] == 4
    assert not (broken / "night.safetensors").exists()
    done = run(broken, 6, ckpt_path="last", accumulate_grad_batches=accumulate)
    assert done == broken / "night.safetensors"
    assert same(weights(broken), weights(unbroken))


@pytest.mark.slow
def test_starting_from_trained_weights_and_remembering_the_base(tmp_path, finished):
    first = finished[1]
    base = fingerprint(load_generator(first).generator)
    assert load_generator(first).base == ""
    # With a learning rate of next to nothing it stays what it started from.
    second = run(tmp_path / "second", 1, init=str(first), lr=1e-12, match_colours=False)
    assert fingerprint(load_generator(second).generator) == base
    assert load_generator(second).base == base
    third = run(tmp_path / "third", 2, init=str(second))
    assert load_generator(third).base == base  # grown from the first by way of the second
    resumed = run(tmp_path / "third", 4, ckpt_path="last")
    assert load_generator(resumed).base == base
    assert load_generator(tmp_path / "third" / LAST).base == base


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed", "bf16-true"])
def test_weights_are_kept_in_the_type_of_the_precision(tmp_path, precision):
    with warnings.catch_warnings():
        # Lightning takes bfloat16 where a CPU has no float16
        warnings.filterwarnings("ignore", message=".*16-mixed.*")
        run(tmp_path, 2, precision=precision)
    kept = torch.bfloat16 if precision == "bf16-true" else torch.float32
    assert all(value.dtype == kept for value in weights(tmp_path).values())


@pytest.mark.slow
def test_divergence_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    run(tmp_path, 2)
    good = (tmp_path / LAST).read_bytes()
    with pytest.raises(
        NonFiniteError, match=r"step \d+: the loss is not finite.*learning rate \(1e\+30\)"
    ):
        run(tmp_path, 50, ckpt_path="last", lr=1e30, every=1000)
    assert (tmp_path / LAST).read_bytes() == good


@pytest.mark.slow
def test_resuming_with_another_learning_rate_uses_it(tmp_path):
    run(tmp_path, 2, lr=0.003)
    run(tmp_path, 4, lr=0.0001, ckpt_path="last")
    (optimizer,) = torch.load(tmp_path / LAST, weights_only=True)["optimizer_states"]
    (group,) = optimizer["param_groups"]
    assert group["initial_lr"] == 0.0001
    assert group["lr"] == pytest.approx(0.0001 * 5 / 20)  # of 20 steps to warm up


@pytest.mark.slow
def test_training_brings_the_loss_down(tmp_path):
    run(tmp_path, 20, loss={}, lr=0.02, every=1000, repeat=20)  # of a single crop
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    losses = [event.value for event in events.Scalars("loss")]
    assert losses[-1] < 0.75 * losses[0]


@pytest.mark.slow
def test_a_pair_is_repainted_in_the_photos_own_size_and_transparency(tmp_path):
    content = tmp_path / "coffee.png"
    photo = open_image(data.sample_path("coffee.png")).resize((90, 60))
    photo.putalpha(99)
    photo.save(content)
    path = train(
        style=Style(image=str(data.sample_path("rocket.jpg")), name="rocket", size=64),
        data=data.OnePhoto(content=str(content), size=64),
        generator=paper(),
        loss=gram(**SHALLOW),
        trainer=partial(
            pl.Trainer, max_steps=2, accelerator="cpu", enable_progress_bar=False,
            enable_model_summary=False, log_every_n_steps=1,
        ),
        module=partial(StyleTransfer, decay_every_n_steps=1),
        run_dir=tmp_path / "run",
        init="scratch",
    )  # fmt: skip
    written = open_image(tmp_path / "run" / "coffee-rocket.png")
    assert (written.size, written.mode) == ((90, 60), "RGBA")
    again = hrstyle.load(path, device="cpu", engine="torch").stylize(content)
    assert np.array_equal(np.asarray(written), np.asarray(again))


class Halved(StyleTransfer):
    """A module of someone's own."""

    def terms(self, photo):
        terms = super().terms(photo)
        return terms | {"loss": terms["loss"] / 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", [StyleTransfer, Halved, lambda *parts, **known: Halved(*parts, **known)]
)
def test_anything_that_builds_module_and_trainer_will_do(tmp_path, module, capsys):
    path = train(
        style=Style(image="starry_night", name="night", size=64),
        data=data.samples(size=32, num_workers=0),
        generator=pyramid(channels=(4, 8, 8), blocks=(1, 1)),
        loss=gram(**SHALLOW),
        trainer=lambda **parts: pl.Trainer(
            max_steps=1, accelerator="cpu", enable_model_summary=False, log_every_n_steps=1, **parts
        ),
        module=module,
        run_dir=tmp_path,
        init="scratch",
    )
    assert load_generator(path).style == "night"
    assert "1 steps" in "".join(capsys.readouterr())  # the bar of steps, not Lightning's of epochs


def test_several_paintings_are_aimed_at_the_mean_of_their_targets(tmp_path):
    trained, other = gram(**SHALLOW), gram(**SHALLOW)
    style = Style(image=["starry_night", "irises"], name="two", size=64)
    run(tmp_path, 1, loss=trained, style=style)
    targets = dict(trained.named_buffers())
    other.set_style(*(Style(image=name, name="one", size=64).load() for name in style.image))
    assert all(torch.equal(value, targets[key]) for key, value in other.named_buffers())
    other.set_style(style.load())
    assert not torch.equal(other.terms["gram"].relu1_1, targets["terms.gram.relu1_1"])


def test_intervals_must_be_positive(tmp_path):
    with pytest.raises(InputError, match="checkpoint_every_n_steps=0"):
        run(tmp_path, 1, every=0)


def test_bad_trainer_settings_are_input_errors(tmp_path):
    for settings in ({"precision": "foo"}, {"accelerator": "foo"}, {"colour": "red"}):
        with pytest.raises(InputError, match="trainer: "):
            run(tmp_path, 1, **settings)


BUNDLED = [name for name, style in gallery().items() if style.image in picture_names()]


@pytest.mark.slow
# All of them are read without a network in test_styles_catalogue.py; what follows is the same for
# each.
@pytest.mark.parametrize("name", BUNDLED[::7])
def test_a_bundled_painting_needs_no_network(name, tmp_path, offline):
    path = run(tmp_path / "run", 1, style=replace(gallery()[name], size=64))
    assert load_generator(path).credit == gallery()[name].credit

import math

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from hrstyle.errors import InputError, NonFiniteError
from hrstyle.losses import PerceptualLoss, TotalVariation
from hrstyle.losses.objectives import gram
from hrstyle.train.module import StyleTransfer


@pytest.fixture
def loss():
    loss = gram(content_layers=["relu2_1"], style_layers=["relu1_1"])
    loss.set_style(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    return loss


@pytest.fixture
def module(tiny, loss):
    return StyleTransfer(tiny, loss, style="tiny", learning_rate=0.01, warmup_steps=4)


def factors(module, total, steps=None):
    """What the learning rate is multiplied by, for each step from 0 to `total`."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=module.learning_rate)
    schedule, found = module.schedule(optimizer, total), []
    for _ in range(steps or total + 1):
        found.append(optimizer.param_groups[0]["lr"] / module.learning_rate)
        optimizer.step()
        schedule.step()
    return found


def test_learning_rate_warms_up_and_follows_a_cosine(module):
    found = factors(module, 104)
    assert found[:5] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    for step in range(4, 105):
        cosine = (1 + math.cos(math.pi * (step - 4) / 100)) / 2
        assert found[step] == pytest.approx(0.03 + 0.97 * cosine)


def test_cosine_over_the_last_steps_alone(tiny, loss):
    module = StyleTransfer(tiny, loss, style="tiny", warmup_steps=4, cosine_steps=50)
    found = factors(module, 104)
    assert found[3:55] == pytest.approx([1] * 52)
    assert found[79] == pytest.approx((1 + 0.03) / 2)
    assert found[104] == pytest.approx(0.03)


@pytest.mark.parametrize("warmup", [0, 1, 3])
def test_the_schedule_fits_into_a_few_steps(tiny, loss, warmup):
    """Fewer than those of the warm-up and of the cosine."""
    module = StyleTransfer(tiny, loss, style="tiny", warmup_steps=warmup, cosine_steps=50)
    for total in (1, 2, 3, 4):
        found = factors(module, total, steps=total)
        assert found[0] == pytest.approx(1 / max(1, warmup))
        assert all(0.03 <= factor <= 1 + 1e-9 for factor in found)


def test_learning_rate_decays_by_steps_as_in_the_paper(tiny, loss):
    settings = {"learning_rate": 0.005, "warmup_steps": 0, "decay_every_n_steps": 200}
    found = factors(StyleTransfer(tiny, loss, style="tiny", **settings), 1000)
    picked = [found[step] for step in (0, 199, 200, 399, 400, 999)]
    assert picked == pytest.approx([1, 1, 0.9, 0.9, 0.81, 0.9**4])


def test_without_an_end_the_learning_rate_stays(module):
    assert factors(module, math.inf, steps=50)[4:] == pytest.approx([1] * 46)


class Rates(Callback):
    """The learning rate of each step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, module, *args):
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"] / module.learning_rate)


@pytest.fixture
def fit(tiny, tmp_path):
    """Trains on a few grey pictures, in epochs of five; gives the learning rates."""
    objective = PerceptualLoss([TotalVariation()])
    objective.set_style()

    def call(ckpt_path=None, learning_rate=0.01, save=True, **settings):
        module = StyleTransfer(
            tiny, objective, style="tiny", learning_rate=learning_rate, warmup_steps=2
        )
        rates = Rates()
        trainer = pl.Trainer(
            callbacks=[rates], accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_model_summary=False, enable_progress_bar=False, **settings,
        )  # fmt: skip
        photos = torch.utils.data.DataLoader(torch.full((5, 3, 16, 16), 0.5))
        trainer.fit(module, photos, ckpt_path=ckpt_path, weights_only=True)
        if save:
            trainer.save_checkpoint(tmp_path / "last.ckpt")
        return rates.seen

    return call


def test_with_epochs_the_cosine_ends_with_the_last(fit, module):
    found = fit(max_epochs=4)
    expected = [0.5, 1, *((0.03 + 0.97 * (1 + math.cos(math.pi * t / 18)) / 2) for t in range(18))]
    assert found == pytest.approx(expected)


@pytest.mark.slow
def test_a_resumed_schedule_follows_the_settings_given_now(fit, tmp_path):
    fit(max_steps=5, learning_rate=0.02)
    last = tmp_path / "last.ckpt"
    assert fit(ckpt_path=last, max_steps=20, save=False) == pytest.approx(
        fit(max_steps=20, save=False)[5:]
    )


def test_a_run_of_an_earlier_version_is_resumed(fit, tmp_path):
    """Its checkpoint has the state of a schedule by a function of the step."""
    fit(max_steps=5)
    last = tmp_path / "last.ckpt"
    checkpoint = torch.load(last, weights_only=True)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    before = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1)
    checkpoint["lr_schedulers"] = [before.state_dict()]
    torch.save(checkpoint, last)
    assert len(fit(ckpt_path=last, max_steps=8)) == 3


@pytest.mark.filterwarnings("ignore:Found keys that are in the model state dict")  # of VGG19
def test_lightnings_way_to_read_a_checkpoint_needs_the_parts(fit, tmp_path, tiny, loss):
    fit(max_steps=1)
    last = tmp_path / "last.ckpt"
    with pytest.raises(InputError, match=r"last.ckpt: .*hrstyle\.checkpoint\.load_generator\(path"):
        StyleTransfer.load_from_checkpoint(last)
    found = StyleTransfer.load_from_checkpoint(last, generator=tiny, loss=loss)
    assert found.hparams["style"] == "tiny"
    assert found.hparams["learning_rate"] == 0.01


def test_the_schedule_goes_on_where_the_first_steps_are_left_out(module):
    optimizer = torch.optim.Adam(module.trained.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 + step)
    module.lr_scheduler_step(schedule, None)  # torch would warn, and warnings are errors here
    assert optimizer.param_groups[0]["lr"] == 2


def test_hyperparameters_are_plain_values(module):
    def plain(value):
        if isinstance(value, dict):
            return all(plain(v) for v in value.values())
        if isinstance(value, list):
            return all(plain(v) for v in value)
        return value is None or isinstance(value, int | float | str)

    assert plain(dict(module.hparams))
    assert module.hparams["style"] == "tiny"
    assert module.hparams["generator"] == module.generator.config
    assert module.hparams["weights"] == module.loss.weights


def test_checkpoint_holds_the_generator_and_nothing_else(module):
    checkpoint = {"state_dict": module.state_dict()}
    assert any("vgg" in key for key in checkpoint["state_dict"])
    module.on_save_checkpoint(checkpoint)
    expected = {f"generator.{key}" for key in module.generator.state_dict()}
    assert set(checkpoint["state_dict"]) == expected


def test_weights_that_are_not_finite_are_not_saved(module):
    nn.init.constant_(module.generator.to_rgb.bias, float("inf"))
    with pytest.raises(NonFiniteError, match="step 0.*no longer finite.*learning rate"):
        module.on_save_checkpoint({"state_dict": module.state_dict()})


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0},
        {"warmup_steps": -1},
        {"final_learning_rate": 2},
        {"cosine_steps": 0},
        {"decay_every_n_steps": 0},
        {"decay": 1.5},
    ],
)
def test_impossible_numbers_are_input_errors(tiny, loss, change):
    with pytest.raises(InputError, match=next(iter(change))):
        StyleTransfer(tiny, loss, style="x", **change)

import pytest
import torch
from torch import nn

from hrstyle.errors import InputError, NonFiniteError
from hrstyle.losses import PerceptualLoss
from hrstyle.train.module import StyleTransfer


@pytest.fixture
def loss():
    loss = PerceptualLoss(style_layers=["relu1_1"])
    loss.set_style(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    return loss


@pytest.fixture
def module(tiny, loss):
    return StyleTransfer(tiny, loss, style="tiny", learning_rate=0.01, warmup_steps=4)


def test_learning_rate_warms_up_and_follows_a_cosine(module):
    factors = [module.learning_rate_factor(step, 104) for step in range(105)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1]
    assert factors[4] == 1
    assert factors[54] == pytest.approx((1 + 0.03) / 2)
    assert factors[104] == pytest.approx(0.03)
    assert factors[4:] == sorted(factors[4:], reverse=True)
    assert module.learning_rate_factor(500, 104) == pytest.approx(0.03)


def test_cosine_over_the_last_steps_alone(tiny, loss):
    module = StyleTransfer(tiny, loss, style="tiny", warmup_steps=4, cosine_steps=50)
    factors = [module.learning_rate_factor(step, 104) for step in range(105)]
    assert set(factors[4:55]) == {1}
    assert factors[79] == pytest.approx((1 + 0.03) / 2)
    assert factors[104] == pytest.approx(0.03)


def test_learning_rate_decays_by_steps_as_in_the_paper(tiny, loss):
    settings = {"learning_rate": 0.005, "warmup_steps": 0, "decay_every_n_steps": 200}
    module = StyleTransfer(tiny, loss, style="tiny", **settings)
    factors = [module.learning_rate_factor(step, 1000) for step in (0, 199, 200, 399, 400, 999)]
    assert factors == pytest.approx([1, 1, 0.9, 0.9, 0.81, 0.9**4])


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
def test_impossible_numbers(tiny, loss, change):
    with pytest.raises(InputError, match=next(iter(change))):
        StyleTransfer(tiny, loss, style="x", **change)

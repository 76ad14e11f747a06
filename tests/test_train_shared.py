"""One network for several styles, in whole trainings of a few small steps."""

import csv
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

import hrstyle
from hrstyle.checkpoint import fingerprint, load_generator, load_source
from hrstyle.errors import InputError
from hrstyle.generator import paper, pyramid
from hrstyle.losses.objectives import build as objective, gram
from hrstyle.styles import BASE, Style, StyleSet
from hrstyle.train import data
from hrstyle.train.module import StyleTransfer
from hrstyle.train.run import train
from hrstyle.train.shared import SharedGenerator, SharedStyleTransfer, own_parameters
from hrstyle.train.start import LAST

STYLES = ("starry_night", "wheat_field", "irises")


def build_module(**settings):
    pictures = [
        Style(image=name, name=name, size=64, style_weight=w)
        for name, w in zip(STYLES, (0.5, 1, 2), strict=True)
    ]
    known = {"style": "base", "pictures": pictures}
    return SharedStyleTransfer(small(), objective(), **known, **settings)


def small():
    torch.manual_seed(0)
    return pyramid(channels=(4, 8, 8), blocks=(1, 1))


@pytest.fixture
def shared():
    shared = SharedGenerator(small(), STYLES)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in shared.styles.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return shared.eval()


def test_a_style_owns_its_norms_or_all_but_the_inner_convolutions():
    generator = pyramid()
    norms = {n for n, part in generator.named_modules() if isinstance(part, nn.InstanceNorm2d)}
    expected = {f"{name}.{kind}" for name in norms for kind in ("weight", "bias")}
    assert set(own_parameters(generator, "norms")) == expected
    everything = {name for name, _ in generator.named_parameters()}
    convolutions = {
        f"{name}.weight" for name, part in generator.named_modules() if isinstance(part, nn.Conv2d)
    }
    common = convolutions - {"to_rgb.weight"}
    assert set(own_parameters(generator, "all")) == everything - common
    assert own_parameters(paper(), "norms") == []
    with pytest.raises(InputError, match="norms or all"):
        own_parameters(generator, "some")


def test_a_style_taken_out_paints_the_same(shared):
    photo = torch.rand(1, 3, 37, 50)
    pictures = [shared(photo, style) for style in STYLES]
    for style, picture in zip(STYLES, pictures, strict=True):
        assert torch.equal(shared.extract(style)(photo), picture)
    assert not torch.allclose(pictures[0], pictures[1], atol=1e-2)


def test_the_mean_lies_in_the_middle(shared):
    states = [shared.extract(style).state_dict() for style in STYLES]
    for name, value in shared.mean().state_dict().items():
        assert torch.allclose(value, sum(state[name] for state in states) / 3, atol=1e-6)


def test_what_was_trained_alone_is_a_start():
    starts = {}
    for seed, style in enumerate(STYLES[:2]):
        torch.manual_seed(seed)
        starts[style] = pyramid(channels=(4, 8, 8), blocks=(1, 1))
    shared = SharedGenerator(small(), STYLES, starts=starts)
    states = {style: start.state_dict() for style, start in starts.items()}
    for style in STYLES:
        for name, value in shared.extract(style).state_dict().items():
            mean = sum(state[name] for state in states.values()) / 2
            own = name in shared.own and style in states
            assert torch.allclose(value, states[style][name] if own else mean, atol=1e-6)


def test_a_step_changes_what_is_common_and_its_own_style(shared):
    shared.train()(torch.rand(1, 3, 32, 32), "irises").square().mean().backward()
    assert all(p.grad is not None for p in shared.styles["irises"].parameters())
    assert all(p.grad is None for p in shared.styles["wheat_field"].parameters())
    own = set(shared.own)
    for name, parameter in shared.generator.named_parameters():
        assert (parameter.grad is None) == (name in own)


def test_rounds_take_each_style_once():
    module = build_module()
    rounds = [[module.style_of_batch(3 * turn + i) for i in range(3)] for turn in range(20)]
    assert all(sorted(turn) == sorted(STYLES) for turn in rounds)
    assert len({tuple(turn) for turn in rounds}) > 3


@pytest.mark.slow
def test_loss_looks_at_the_style_of_the_step():
    module = build_module()
    photo = torch.rand(1, 3, 32, 32)
    for number in range(3):
        module._batch = number
        style = module.style_of_batch(number)
        terms = module.terms(photo)
        alone = objective(style_weight=module.pictures[style].style_weight)
        alone.set_style(module.pictures[style].load())
        expected = alone(module.shared(photo, style), photo)
        # Painted twice, with the noise elsewhere; the plain terms are compared in eval mode below.
        assert terms["loss"].item() == pytest.approx(expected["loss"].item(), rel=0.2)
    module.eval()
    module._batch = 1
    style = module.style_of_batch(1)
    alone.style_weight = module.pictures[style].style_weight
    alone.set_style(module.pictures[style].load())
    expected = alone(module.shared(photo, style), photo)
    assert module.terms(photo)["loss"].item() == pytest.approx(expected["loss"].item(), rel=1e-5)


# Of the loss network as little as a training needs.
SHALLOW = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}


def run(
    run_dir,
    steps,
    *,
    ckpt_path=None,
    module=SharedStyleTransfer,
    generator=small,
    init="scratch",
    preview=100,
    accumulate=1,
    devices=1,
    styles=STYLES,
    **settings,
):
    pl.seed_everything(0, verbose=False)
    pictures = {name: Style(image=name, name=name, size=64) for name in styles}
    return train(
        style=StyleSet(name="base", pictures=pictures),
        data=data.samples(size=32, num_workers=0, repeat=2),
        generator=generator(),
        loss=gram(**SHALLOW),
        trainer=partial(
            pl.Trainer, max_steps=steps, accelerator="cpu", enable_progress_bar=False,
            enable_model_summary=False, log_every_n_steps=1, accumulate_grad_batches=accumulate,
            devices=devices,
        ),
        module=module
        if module is not SharedStyleTransfer
        else partial(module, **{"learning_rate": 3e-3, "final_learning_rate": 1} | settings),
        run_dir=run_dir,
        preview_every_n_steps=preview,
        checkpoint_every_n_steps=2,
        init=init,
        ckpt_path=ckpt_path,
    )  # fmt: skip


@pytest.mark.slow
def test_every_style_leaves_as_weights_of_one_base(tmp_path):
    assert run(tmp_path, 4, preview=2) == tmp_path
    base = load_generator(tmp_path / f"{BASE}.safetensors")
    for style in STYLES:
        trained = load_generator(tmp_path / f"{style}.safetensors")
        assert trained.style == style
        assert trained.base == fingerprint(base.generator)
    files = {str(tmp_path / f"{style}.safetensors"): 1.0 for style in STYLES}
    painted = hrstyle.load(files, engine="torch").stylize(torch.rand(3, 40, 40))
    assert painted.shape == (3, 40, 40)
    with (tmp_path / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["style"]) for row in rows] == [
        (step, style) for step in ("2", "4") for style in STYLES
    ]
    assert all(float(row["loss"]) > 0 for row in rows)


@pytest.mark.slow
def test_resumed_training_equals_an_undisturbed_one(tmp_path):
    run(tmp_path / "whole", 7)
    run(tmp_path / "parts", 3)  # in the middle of a round and of a crop's steps
    run(tmp_path / "parts", 7, ckpt_path="last")
    states = [
        torch.load(tmp_path / name / LAST, weights_only=True)["state_dict"]
        for name in ("whole", "parts")
    ]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not any("vgg" in key for key in states[0])


@pytest.mark.slow
def test_of_several_batches_a_step_is_averaged_and_judged_once(tmp_path):
    run(tmp_path, 2, preview=1, accumulate=3, average=0.5)
    with (tmp_path / "curve.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1"] * 3 + ["2"] * 3
    run(tmp_path, 3, preview=1, accumulate=3, average=0.5, ckpt_path="last")
    with (tmp_path / "curve.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)][6:] == ["3"] * 3
    state = torch.load(tmp_path / LAST, weights_only=True)["state_dict"]
    assert state["average.n_averaged"] == 3


@pytest.mark.slow
def test_the_state_is_no_style_and_fits_no_other_set(tmp_path):
    run(tmp_path, 1)
    with pytest.raises(InputError, match="checkpoint of 3 styles"):
        hrstyle.load(tmp_path / LAST)
    with pytest.raises(InputError, match="training of starry_night, wheat_field, irises, not of"):
        run(tmp_path, 2, ckpt_path="last", styles=STYLES[:2])
    with pytest.raises(InputError, match="this module.own gives .* the same module.own as"):
        run(tmp_path, 2, ckpt_path="last", own="norms")


TWO_PROCESSES = """
import sys
from pathlib import Path

import tests.test_train_shared as this

this.run(Path(sys.argv[1]), 4, devices=2)
"""


@pytest.mark.slow
def test_two_processes_train_all_styles(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES)
    place = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, str(script), str(tmp_path / "run")]
    process = subprocess.run(command, capture_output=True, text=True, env=place)
    assert process.returncode == 0, process.stderr
    assert {path.stem for path in (tmp_path / "run").glob("*.safetensors")} == {BASE, *STYLES}


class Own(SharedStyleTransfer):
    """A module of someone's own."""


@pytest.mark.slow
@pytest.mark.parametrize("module", [Own, partial(Own, own="norms"), lambda *x, **y: Own(*x, **y)])
def test_anything_that_builds_a_shared_module_will_do(tmp_path, module):
    assert run(tmp_path, 1, module=module) == tmp_path
    assert (tmp_path / "irises.safetensors").is_file()


def test_several_styles_need_the_shared_module_and_one_style_another(tmp_path):
    def lost(generator, loss, *, pictures, **known):
        return StyleTransfer(generator, loss, **known)

    for module in (StyleTransfer, partial(StyleTransfer, learning_rate=1e-3), lost):
        with pytest.raises(InputError, match="experiment=together"):
            run(tmp_path, 1, module=module)
    for module in (SharedStyleTransfer, Own, partial(Own, average=0.5)):
        with pytest.raises(InputError, match="experiment=together"):
            train(
                style=Style(image="irises", name="irises"),
                data=data.samples(size=32),
                generator=small(),
                loss=gram(**SHALLOW),
                run_dir=tmp_path / "alone",
                trainer=partial(pl.Trainer, max_steps=1),
                module=module,
            )
    assert not (tmp_path / "alone").exists()


@pytest.mark.slow
def test_bundled_styles_are_a_start_for_all_together(tmp_path):
    still = {"generator": pyramid, "init": "bundled", "learning_rate": 1e-12, "average": 0.0}
    run(tmp_path, 1, **still)
    result, start = load_generator(tmp_path / "wheat_field.safetensors"), load_source("wheat_field")
    assert result.base == start.base == load_source("base").base
    assert load_generator(tmp_path / f"{BASE}.safetensors").base == start.base
    trained, expected = result.generator.state_dict(), start.generator.state_dict()
    # The last convolution takes up the painting's colours.
    own = [name for name in own_parameters(pyramid()) if not name.startswith("to_rgb")]
    assert all(torch.allclose(trained[name], expected[name], atol=1e-6) for name in own)
    assert not torch.allclose(trained["to_rgb.weight"], expected["to_rgb.weight"], atol=1e-3)
    with pytest.raises(InputError, match="do not fit.*init=scratch"):
        run(tmp_path / "small", 1, init="bundled")
    with pytest.raises(InputError, match="name of one style"):
        train(
            style=Style(image="irises", name="irises"),
            data=data.samples(size=32),
            generator=pyramid(),
            loss=gram(**SHALLOW),
            run_dir=tmp_path / "alone",
            trainer=partial(pl.Trainer, max_steps=1),
            init="bundled",
        )

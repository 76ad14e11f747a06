"""Every YAML file composes, and what it describes can be built."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import hrstyle.configs
import pytest
from hydra import compose, initialize_config_module
from hydra.errors import ConfigCompositionException, InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, ValidationError
from pytorch_lightning import LightningDataModule

from hrstyle.engine.options import StylizeOptions
from hrstyle.generator import Generator
from hrstyle.losses import PerceptualLoss, build
from hrstyle.styles import Style, StyleSet, gallery, list_styles, picture_names
from hrstyle.train.__main__ import register_signatures
from hrstyle.train.shared import SharedStyleTransfer

ROOT = Path(hrstyle.configs.__file__).parent
# Settings for all groups at once, which have tests of their own.
NO_PARTS = ("experiment",)
OPTIONS = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.yaml") if path.parent != ROOT)


GALLERY = sorted(
    p.stem for p in OPTIONS if p.parts[0] == "style" and p.stem not in ("base", "custom")
)


@pytest.fixture(autouse=True, scope="module")
def hydra():
    register_signatures()
    with initialize_config_module("hrstyle.configs", version_base="1.3"):
        yield


def config_of(*overrides):
    # Outside a job there is no output folder for run_dir to be.
    return compose("train", overrides=["run_dir=runs/test", *overrides])


def required(photo):
    """What the user has to give to some of the options."""
    return {
        "style/custom": [f"style.image={photo}"],
        "generator/own": ["generator._target_=hrstyle.generator.paper"],
        "loss/own": ["loss._target_=hrstyle.losses.objectives.gram"],
        "data/folder": [f"data.root={photo.parent}"],
        "data/pair": [f"data.content={photo}"],
    }


def test_the_groups_of_settings_are_these():
    groups = {"style", "data", "generator", "loss", "module", "trainer", "experiment"}
    assert {path.parts[0] for path in OPTIONS} == groups


PARTS = [o for o in OPTIONS if o.parts[0] not in NO_PARTS and o.stem not in GALLERY]


KINDS = {
    "style": Style | StyleSet,
    "data": LightningDataModule,
    "generator": Generator,
    "loss": PerceptualLoss,
    "module": partial,
    "trainer": partial,
}


@pytest.mark.slow
@pytest.mark.parametrize("option", PARTS, ids=str)
def test_every_option_composes_and_builds_what_its_group_is_for(option, photo):
    group, name = option.parts[0], option.stem
    extra = required(photo).get(f"{group}/{name}", [])
    config = config_of("style=starry_night", f"{group}={name}", *extra)
    assert not OmegaConf.missing_keys(config)
    part = instantiate(config[group], _convert_="all")
    assert isinstance(part, KINDS[group])
    OmegaConf.to_yaml(config, resolve=True)


@pytest.fixture(scope="module")
def all_styles(hydra):
    """Each style's settings as Hydra reads them: composed by itself, each would take long."""
    return config_of("style=base").style.pictures


@pytest.mark.parametrize("name", GALLERY)
def test_hydra_and_the_gallery_read_each_style_alike(all_styles, name):
    known = all_styles.get(name) or config_of(f"style={name}").style
    style = instantiate(known, _convert_="all")
    # Two readers of the same files, which must agree.
    expected = replace(gallery()[name], crop=tuple(gallery()[name].crop))
    assert replace(style, crop=tuple(style.crop)) == expected
    assert style.name == name
    assert all((style.title, style.artist, style.year, style.source))
    assert "public domain" in style.licence.lower()
    # Either the picture comes along, or it is fetched and checked.
    assert name in picture_names() or (style.image.startswith("https://") and style.sha256)


@pytest.mark.slow
def test_every_bundled_style_and_painting_is_in_the_gallery():
    # Some paintings come along without weights: `hrstyle optimize` and training take them.
    assert set(list_styles()) <= set(GALLERY)
    assert {"starry_night", *picture_names()} <= set(GALLERY)
    base = instantiate(config_of("style=base").style, _convert_="all")
    assert sorted(base.pictures) == list_styles()  # what is trained together has weights
    assert sorted(gallery()) == GALLERY


@pytest.mark.slow
def test_the_experiment_together_trains_several_styles_in_one_network(photo):
    parts = instantiate(
        config_of("experiment=together", f"data.root={photo.parent}"), _convert_="all"
    )
    assert isinstance(parts["style"], StyleSet)
    assert parts["module"].func is SharedStyleTransfer
    assert parts["module"].keywords["learning_rate"] == 6e-3
    assert parts["data"].crops["repeat"] > 1
    assert parts["loss"].weights == build().weights


@pytest.mark.slow
def test_the_styles_weight_is_the_losses_unless_told_otherwise():
    for overrides, expected in [
        (["style.style_weight=3"], 3),
        (["style.style_weight=3", "loss.style_weight=9"], 9),
        (["style.style_weight=3", "loss=gram"], 3),
        (["style.style_weight=3", "loss=paper"], 1),
        (["loss=gram"], 1),
    ]:
        config = config_of("style=starry_night", *overrides)
        assert instantiate(config.loss, _convert_="all").style_weight == expected


def test_a_picture_of_ones_own_names_its_style(photo):
    assert config_of(f"style.image={photo}").style.name == "chelsea"


def test_everything_can_be_set_from_the_command_line():
    config = config_of(
        "style=starry_night",
        "style.size=300",
        "loss=gram",
        "loss.content_weight=2",
        "loss.gram_weight=4",
        "loss.style_weight=3",
        "loss.style_layers=[relu1_1,conv3_1]",
        "loss.style_layer_weights=[1,0.5]",
        "loss.tv_weight=0.1",
        "loss.content_layers=[relu3_3]",
        "data.size=64",
        "data.batch_size=3",
        "seed=7",
        "module.learning_rate=1e-2",
        "trainer.max_steps=5",
        "trainer.precision=bf16-mixed",
        "trainer.gradient_clip_val=null",
    )
    loss = instantiate(config.loss, _convert_="all")
    assert loss.weights == {"content": 2, "gram": 12, "total_variation": 0.1}
    assert loss.terms["gram"].layers == ("relu1_1", "conv3_1")
    assert loss.terms["gram"].shares == [1 / 1.5, 0.5 / 1.5]
    assert loss.terms["content"].layers == ("relu3_3",)
    crops = instantiate(config.data, _convert_="all").crops
    assert crops == {"size": 64, "batch_size": 3, "min_scale": 0.5, "seed": 7, "repeat": 1}
    assert instantiate(config.module, _convert_="all").keywords["learning_rate"] == 0.01
    trainer = instantiate(config.trainer, _convert_="all").keywords
    assert (trainer["max_steps"], trainer["precision"]) == (5, "bf16-mixed")
    assert trainer["gradient_clip_val"] is None


def test_weights_of_the_default_objective_can_be_set():
    names = ("content", "self_similarity", "colour_layout", "moments", "transport", "tv")
    weights = [f"loss.{name}_weight={number}" for number, name in enumerate(names, 2)]
    config = config_of(
        "style=starry_night", *weights, "loss.half_size_weight=0", "loss.pooling=avg"
    )
    found = instantiate(config.loss, _convert_="all").weights
    keys = [*names[:-1], "total_variation"]
    assert found == {name: number for number, name in enumerate(keys, 2)}


@pytest.mark.slow
def test_a_term_can_be_added_to_either_objective():
    term = "{_target_: hrstyle.losses.TotalVariation, weight: 3, scale: 2}"
    for objective in ("painterly", "gram"):
        config = config_of("style=starry_night", f"loss={objective}", f"loss.more_terms=[{term}]")
        loss = instantiate(config.loss, _convert_="all")
        assert loss.weights["total_variation_half"] == 3


def test_paper_options_are_the_papers():
    config = config_of("style=starry_night", "generator=paper", "loss=paper")
    assert instantiate(config.generator).config == {"name": "paper"}
    loss = instantiate(config.loss, _convert_="all")
    assert loss.weights == {"content": 150, "gram": 1}
    content, gram = loss.terms["content"], loss.terms["gram"]
    assert content.normalisation == gram.normalisation == "paper"
    assert content.layers == ("conv4_2",)
    assert gram.layers == tuple(f"conv{block}_1" for block in range(1, 6))
    assert gram.shares == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])


def test_photorealistic_is_the_papers_method(photo):
    config = config_of("experiment=photorealistic", f"data.content={photo}", "style.image=dusk.jpg")
    assert instantiate(config.generator).config == {"name": "paper"}
    assert instantiate(config.data, _convert_="all").repaint_paths == [photo]
    loss = instantiate(config.loss, _convert_="all")
    assert loss.weights == {"content": 150, "gram": 1}
    assert loss.terms["gram"].normalisation == "paper"
    module = instantiate(config.module, _convert_="all").keywords
    assert (module["learning_rate"], module["warmup_steps"]) == (0.005, 0)
    assert (module["decay_every_n_steps"], module["decay"]) == (200, 0.9)
    trainer = instantiate(config.trainer, _convert_="all").keywords
    assert trainer["max_steps"] == 1000
    assert trainer["gradient_clip_val"] is None
    assert config.init == "scratch"
    assert instantiate(config.stylize) == StylizeOptions(stroke_size=1, brush=False)


@pytest.mark.parametrize(
    "override", ["los.style_weight=1", "loss.stile_weight=1", "data.root=x", "trainer.max_step=3"]
)
def test_a_misspelt_key_is_an_error(override):
    with pytest.raises(ConfigCompositionException) as error:
        config_of("style=starry_night", override)
    assert isinstance(error.value.__cause__, ConfigAttributeError | ConfigKeyError)


def test_an_added_key_is_an_error_too():
    with pytest.raises((InstantiationException, ConfigCompositionException)):
        instantiate(config_of("style=starry_night", "+loss.stile_weight=1").loss)


def test_a_value_of_the_wrong_type_is_an_error():
    with pytest.raises(ConfigCompositionException) as error:
        config_of("style=starry_night", "loss.style_weight=much")
    assert isinstance(error.value.__cause__, ValidationError)

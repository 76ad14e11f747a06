from inspect import signature

import pytest
import torch

from hrstyle.errors import InputError
from hrstyle.losses import OBJECTIVES, ResultTerm, TotalVariation, build
from hrstyle.losses.objectives import gram, painterly


def default(objective, name):
    return signature(objective).parameters[name].default


def test_the_default_is_painterly():
    assert next(iter(OBJECTIVES)) == "painterly"
    assert list(build().terms) == list(painterly().terms)


def test_painterly_has_these_weights():
    weights, half = painterly().weights, default(painterly, "half_size_weight")
    for name, times in [
        *((name, 1) for name in ("content", "colour_layout")),
        *((name, 1) for name in ("self_similarity", "moments", "transport")),
        *((f"{name}_half", half) for name in ("self_similarity", "moments", "transport")),
    ]:
        expected = times * default(painterly, f"{name.removesuffix('_half')}_weight")
        assert weights.pop(name, 0) == pytest.approx(expected)
    assert not weights


def test_each_weight_of_painterly_can_be_set():
    names = ["content", "self_similarity", "colour_layout", "moments", "transport"]
    settings = {f"{name}_weight": number for number, name in enumerate(names, 2)}
    found = build(**settings, tv_weight=9, half_size_weight=0.5, style_weight=2).weights
    style = {"moments", "transport"}
    for number, name in enumerate(names, 2):
        assert found[name] == number * (2 if name in style else 1)
        if name not in ("content", "colour_layout"):
            assert found[f"{name}_half"] == found[name] / 2
    assert found["total_variation"] == 9
    assert not any("_half" in name for name in build(half_size_weight=0).weights)


def test_gram_has_these_weights():
    loss = build("gram", content_weight=2, gram_weight=3, tv_weight=4, style_weight=5)
    assert loss.weights == {"content": 2, "gram": 15, "total_variation": 4}
    expected = {"content": default(gram, "content_weight"), "gram": default(gram, "gram_weight")}
    assert build("gram").weights == expected


def test_grams_layers_and_normalisation():
    layers = {"content_layers": ["conv2_1"], "style_layers": ["relu1_1", "relu1_2"]}
    terms = build(
        "gram", style_layer_weights=[1, 3], normalisation="paper", pooling="avg", **layers
    ).terms
    assert terms["content"].layers == ("conv2_1",)
    assert terms["gram"].layers == ("relu1_1", "relu1_2")
    assert terms["gram"].shares == [1, 3]
    assert {term.normalisation for term in terms.values()} == {"paper"}


class Darkness(ResultTerm):
    name = "darkness"

    def forward(self, result):
        return 1 - result["image"].mean()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_terms_of_ones_own_are_added(name, crops):
    loss = build(name, more_terms=[Darkness(3.0, ["image"]), TotalVariation(1.0, scale=4)])
    loss.set_style()
    found = loss(crops[:1], loss.photo_features(crops[1:]))
    assert found["darkness"].item() == pytest.approx(1 - crops[:1].mean().item())
    assert loss.weights["darkness"] == 3
    assert "total_variation_quarter" not in found  # 48 pixels are too few for it
    with pytest.raises(InputError, match="each of another name or scale"):
        build(name, more_terms=[TotalVariation(1.0)], tv_weight=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_photo_in_its_own_style_costs_nothing(name, crops):
    loss = build(name)
    loss.set_style(crops[:1])
    assert loss(crops[:1], crops[:1])["loss"].item() == pytest.approx(0, abs=1e-3)
    assert loss(crops[1:], crops[:1])["loss"].item() > 0.5


def test_painterly_sees_all_of_its_terms_in_a_small_crop():
    loss = build()
    loss.set_style(torch.rand(1, 3, 64, 64))
    picture = torch.rand(1, 3, 64, 64)
    assert loss(picture, picture.flip(3)).keys() == {"loss", *loss.weights}


def test_what_there_is_not_is_named():
    with pytest.raises(InputError, match="loss='oil' must be one of painterly, gram"):
        build("oil")
    with pytest.raises(InputError, match="loss=painterly has no colour, nearest_weight; it has"):
        build(nearest_weight=1, colour=2)
    with pytest.raises(InputError, match="loss=gram has no moments_weight; it has .*gram_weight"):
        build("gram", moments_weight=1)
    with pytest.raises(InputError, match="has no terms"):
        build(terms=[])

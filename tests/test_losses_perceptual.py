import pytest
import torch
import torch.nn.functional as F

from hrstyle.errors import InputError
from hrstyle.losses import (
    IMAGE,
    ColourLayout,
    Content,
    Gram,
    Moments,
    PerceptualLoss,
    SelfSimilarity,
    TotalVariation,
    Transport,
    gram_matrix,
    transport,
)
from hrstyle.losses.sampling import feature_vectors

LAYERS = ["relu1_1", "relu2_1"]


def every_term(scale=1):
    """One of each kind; all see so few places that none is drawn."""
    return [
        Content(2.0, ["relu2_1"], scale=scale),
        SelfSimilarity(3.0, ["pool2"], scale=scale),
        ColourLayout(5.0, block=8, scale=scale),
        Gram(7.0, LAYERS, scale=scale),
        Moments(11.0, LAYERS, scale=scale),
        Transport(13.0, ["pool2"], scale=scale),
        TotalVariation(17.0, scale=scale),
    ]


@pytest.fixture(scope="module")
def built():
    """Holds the terms at both sizes."""
    return PerceptualLoss([*every_term(), *every_term(2)], style_weight=0.5)


@pytest.fixture
def loss(built, crops):
    built.style_weight = 0.5
    built.set_style(crops[1:])
    return built


PHOTO = {"content": 2.0, "self_similarity": 3.0, "colour_layout": 5.0}
STYLE = {"gram": 7.0, "moments": 11.0, "transport": 13.0}
PLAIN = {"total_variation": 17.0}


def names(*groups):
    return {name + end for group in groups for name in group for end in ("", "_half")}


def test_the_loss_is_the_weighted_sum_of_its_terms(loss, crops):
    found = loss(crops[:1].flip(-1), crops[:1])
    assert found.keys() == {"loss"} | names(PHOTO, STYLE, PLAIN)
    assert all(value > 0 for value in found.values())
    total = sum(loss.weights[name] * found[name].item() for name in found if name != "loss")
    assert found["loss"].item() == pytest.approx(total, rel=1e-5)
    assert {name: loss.weights[name] for name in PHOTO | PLAIN} == PHOTO | PLAIN


def test_each_term_sees_vggs_features_and_the_picture(loss, crops):
    picture, photo, painting = crops[:1].flip(-1), crops[:1], crops[1:]
    found = loss(picture, photo)
    for end, scale in (("", 1), ("_half", 2)):
        seen = []
        for x in (picture, photo, painting):
            x = F.avg_pool2d(x, scale)
            seen.append({IMAGE: x, **loss.vgg(x)})
        for term in every_term():
            if term.name in STYLE:
                term.set_targets(term.targets(seen[2]))
            alone = term(seen[0], seen[1]) if term.name in PHOTO else term(seen[0])
            assert found[term.name + end].item() == pytest.approx(alone.item(), rel=1e-4)


def test_the_style_weight_is_of_the_style_terms_alone(loss, crops):
    one = loss(crops[:1].flip(-1), crops[:1])
    loss.style_weight = 2.0
    other = loss(crops[:1].flip(-1), crops[:1])
    style = sum(STYLE[name] * (one[name] + one[f"{name}_half"]) for name in STYLE)
    assert (other["loss"] - one["loss"]).item() == pytest.approx(1.5 * style.item(), rel=1e-4)
    assert all(one[name] == other[name] for name in one if name != "loss")


def test_the_photo_in_its_own_style_costs_nothing_but_its_roughness(loss, crops):
    loss.set_style(crops[:1])
    found = loss(crops[:1], crops[:1])
    for name in names(PHOTO, STYLE):
        assert found[name].item() == pytest.approx(0, abs=1e-5)
    assert found["total_variation"] > 0


def test_without_photo_or_style_their_terms_are_left_out(loss, crops):
    assert loss(crops[:1], None).keys() == {"loss"} | names(STYLE, PLAIN)
    loss.set_style()
    assert loss(crops[:1], crops[1:]).keys() == {"loss"} | names(PHOTO, PLAIN)
    assert loss(crops[:1], None).keys() == {"loss"} | names(PLAIN)
    only = PerceptualLoss([Content(1.0, ["relu1_1"])])
    only.set_style()
    assert only(crops[:1], None) == {"loss": torch.tensor(0.0)}


def test_the_features_of_a_photo_stand_for_it(loss, crops):
    kept = loss.photo_features(crops[:1])
    assert {scale: set(features) for scale, features in kept.items()} == {
        scale: {IMAGE, "relu2_1", "pool2"} for scale in (1, 2)
    }
    assert loss(crops[1:], kept) == loss(crops[1:], crops[:1])


def test_what_is_too_small_for_a_scale_is_left_out_of_it(loss, crops):
    small = crops[:1, :, :30]
    assert names(PHOTO, STYLE, PLAIN) - loss(small, small).keys() == {
        f"{name}_half" for name in PHOTO | STYLE | PLAIN
    }
    assert "gram_half" in loss(crops[:1, :, :32], crops[:1, :, :32])
    loss.set_style(small)  # of the painting, too
    assert "gram_half" not in loss(crops[:1], crops[:1])
    assert "content_half" in loss(crops[:1], crops[:1])


def test_a_batch_does_not_mix_pictures(loss, crops):
    pictures, photos = crops.flip(-1), crops
    found = loss(pictures, photos)
    alone = [loss(pictures[i : i + 1], photos[i : i + 1]) for i in (0, 1)]
    for name, value in found.items():
        mean = (alone[0][name] + alone[1][name]).item() / 2
        assert value.item() == pytest.approx(mean, rel=1e-4)


def test_terms_of_weight_0_are_not_there_and_cost_nothing(crops):
    loss = PerceptualLoss([Content(0.0, ["relu5_4"]), Gram(1.0, ["relu1_1"])])
    assert [name for name, _ in loss.vgg.features.named_children()][-1] == "relu1_1"
    loss.set_style(crops[1:])
    assert loss(crops[:1], crops[:1]).keys() == {"loss", "gram"}
    assert loss.weights == {"gram": 1.0}


def test_terms_of_pixels_alone_need_hardly_a_network(crops):
    loss = PerceptualLoss([TotalVariation(1.0)])
    loss.set_style()
    assert loss(crops[:1], None)["total_variation"] > 0
    assert loss.vgg.layers == {"conv1_1"}


def test_vgg_is_computed_once_for_each_scale(loss, crops, monkeypatch):
    seen = []

    def record(image, layers, forward=loss.vgg.forward):
        seen.append((image.shape[-1], set(layers) - {IMAGE}))
        return forward(image, layers)

    kept = loss.photo_features(crops[:1])
    monkeypatch.setattr(loss.vgg, "forward", record)
    loss(crops[:1], kept)
    assert seen == [(48, {"relu1_1", "relu2_1", "pool2"}), (24, {"relu1_1", "relu2_1", "pool2"})]


def test_several_paintings_count_by_their_shares(loss, crops):
    one, other = loss.style_targets(crops[:1]), loss.style_targets(crops[1:])
    for shares, first in ((None, 0.5), ([3, 1], 0.75)):
        both = loss.style_targets(crops[:1], crops[1:], shares=shares)
        assert both.keys() == one.keys()
        for name in both:
            if not name.startswith("transport"):
                expected = first * one[name] + (1 - first) * other[name]
                torch.testing.assert_close(both[name], expected, rtol=1e-4, atol=1e-5)
    features = loss.vgg(crops[:1])
    assert torch.allclose(one["gram/relu2_1"], gram_matrix(features["relu2_1"]))
    assert torch.allclose(one["transport/pool2"], feature_vectors(features["pool2"])[0], atol=1e-4)
    # Of two paintings of one size, three parts to one: all places and a third of them.
    assert both["transport/pool2"].shape[0] == 144 + 48


def test_finished_targets_can_be_set(loss, crops):
    targets = loss.style_targets(crops[:1])
    expected = loss(crops[:1], crops[1:])
    loss.set_style(loss.style_targets(crops[1:]))
    assert loss(crops[:1], crops[1:]) == expected
    loss.set_style(targets)
    assert loss(crops[:1], crops[1:])["gram"].item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("style", "message"),
    [
        (("night.jpg",), "a style must be tensors .* not str"),
        (([torch.rand(1, 3, 32, 32)] * 2,), "each an argument of its own, .* not list"),
        ((torch.rand(2, 3, 32, 32),), r"not \(2, 3, 32, 32\)"),
        ((torch.rand(3, 32, 32),), r"not \(3, 32, 32\)"),
        ((torch.rand(1, 3, 32, 32), {}), "not dict"),
        (({"nearest/relu1_1": torch.rand(1)},), "no style term nearest .* there are gram, "),
        (({"content/relu1_1": torch.rand(1)},), "no style term content"),
    ],
)
def test_what_is_no_style_is_refused_and_changes_nothing(loss, crops, style, message):
    before = loss(crops[:1], crops[:1])
    with pytest.raises(InputError, match=message):
        loss.set_style(*style)
    assert loss(crops[:1], crops[:1]) == before  # it still has the one it had


@pytest.mark.parametrize("shares", [[1], [1, 0], [1, -1], [1, float("nan")], [1, float("inf")]])
def test_there_is_a_share_above_0_for_each_painting(loss, crops, shares):
    with pytest.raises(InputError, match="2 numbers above 0"):
        loss.set_style(crops[:1], crops[1:], shares=shares)


def test_shares_go_with_pictures(loss, crops):
    with pytest.raises(InputError, match="shares go with pictures"):
        loss.set_style(loss.style_targets(crops[:1]), shares=[1])


def test_a_loss_without_a_style_says_set_style(crops):
    with pytest.raises(RuntimeError, match="set_style"):
        PerceptualLoss([TotalVariation()])(crops, crops)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([], "not none of a weight above 0"),
        ([Gram(0.0)], "not none of a weight above 0"),
        ([Gram(), Content(), Gram(2.0)], "each of another name or scale, not gram, content, gram"),
    ],
)
def test_impossible_terms_are_input_errors(terms, message):
    with pytest.raises(InputError, match=message):
        PerceptualLoss(terms)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_impossible_style_weights_are_input_errors(weight):
    with pytest.raises(InputError, match=f"style_weight={weight}"):
        PerceptualLoss([TotalVariation()], style_weight=weight)


def test_losses_are_float32_under_autocast(loss, crops):
    exact = loss(crops[:1].flip(-1), crops[:1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(crops[:1].flip(-1), crops[:1])
    assert all(value.dtype == torch.float32 for value in found.values())
    for name, value in exact.items():
        assert found[name].item() == pytest.approx(value.item(), rel=0.1), name


def test_a_seed_gives_the_same_places(crops, monkeypatch):
    monkeypatch.setattr(transport, "SAMPLES", 20)
    loss = PerceptualLoss([Transport(1.0, ["relu1_1"])])
    loss.set_style(crops[1:])

    def value(seed):
        torch.manual_seed(seed)
        return loss(crops[:1], None)["loss"].item()

    assert value(1) == value(1) != value(2)


def test_the_gradient_reaches_the_picture_and_nothing_else(loss, crops):
    picture = crops[:1].flip(-1).requires_grad_()
    loss(picture, crops[:1])["loss"].backward()
    assert picture.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in loss.parameters())

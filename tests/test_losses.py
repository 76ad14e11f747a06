import numpy as np
import pytest
import torch
from hrstyle.nearest import nearest_loss, places_of

from hrstyle.errors import InputError
from hrstyle.images import open_image, to_tensor
from hrstyle.losses import (
    PerceptualLoss,
    content_loss,
    gram_matrix,
    relative_error,
    style_loss,
    total_variation,
)


@pytest.fixture
def features():
    torch.manual_seed(0)
    return torch.randn(3, 5, 4, 6)


@pytest.fixture
def crops(photo):
    picture = to_tensor(open_image(photo))
    return torch.cat([picture[..., 50:98, 50:98], picture[..., 120:168, 160:208]])


def test_gram_matrix_is_the_normalised_product_of_channels(features):
    flat = features.numpy().reshape(3, 5, 24).astype(np.float64)
    expected = np.einsum("nix,njx->nij", flat, flat) / (5 * 24)
    assert np.allclose(gram_matrix(features), expected, atol=1e-6)


def test_gram_matrix_of_constant_channels():
    features = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3)
    assert gram_matrix(features)[0].tolist() == [[0.5, 1.0], [1.0, 2.0]]


def test_gram_matrix_does_not_mix_pictures(features):
    alone = torch.cat([gram_matrix(f[None]) for f in features])
    assert torch.allclose(gram_matrix(features), alone)


def test_gradient_of_the_gram_matrix():
    torch.manual_seed(0)
    features = torch.randn(2, 3, 4, 5, requires_grad=True)
    direction = torch.randn(2, 3, 3)  # not symmetric
    flat = features.flatten(2)
    expected = torch.autograd.grad((flat @ flat.mT / 60 * direction).sum(), features)[0]
    gradient = torch.autograd.grad((gram_matrix(features) * direction).sum(), features)[0]
    assert torch.allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize(("dtype", "error"), [(torch.bfloat16, 2**-8), (torch.float16, 1e-5)])
def test_gram_matrix_is_float32_whatever_the_precision(dtype, error):
    """Sums of bfloat16 are rounded once, at their end; those of float16 would overflow."""
    torch.manual_seed(0)
    features = (torch.rand(1, 4, 64, 64) * 300).to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        gram = gram_matrix(features)
    flat = features.double().flatten(2)
    assert gram.dtype == torch.float32
    assert torch.allclose(gram.double(), flat @ flat.mT / (4 * 64 * 64), rtol=error)


def test_relative_error_is_the_mean_over_pictures_of_a_ratio():
    value = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    target = torch.tensor([[3.0, 4.0], [3.0, 0.0]])
    assert relative_error(value, target).item() == pytest.approx((1 + 16 / 9) / 2)
    assert relative_error(value, torch.zeros(1, 2)).isfinite()


def test_content_loss(features):
    target = features * 2
    assert content_loss(features, target).item() == pytest.approx(0.25)
    expected = ((features - target) ** 2).mean().item()
    assert content_loss(features, target, normalisation="paper").item() == pytest.approx(expected)


def test_relative_style_loss(features):
    target = gram_matrix(features[:1])
    assert style_loss(features[:1], target).item() == pytest.approx(0, abs=1e-6)
    # Twice the features are four times the Gram matrix: (4 − 1)² of the target's size.
    assert style_loss(2 * features[:1], target).item() == pytest.approx(9, rel=1e-4)
    each = [style_loss(f[None], target).item() for f in features]
    assert style_loss(features, target).item() == pytest.approx(np.mean(each), rel=1e-5)


def test_paper_style_loss_is_its_formula_at_one_size(features):
    photo, painting = features[0].flatten(1), features[1].flatten(1)
    expected = ((photo @ photo.T - painting @ painting.T) ** 2).mean() / features[0].numel()
    actual = style_loss(features[:1], gram_matrix(features[1:2]), normalisation="paper")
    assert actual.item() == pytest.approx(expected.item(), rel=1e-4)


def test_paper_style_loss_does_not_depend_on_the_paintings_area(features):
    painting = features[1:2]
    target, larger = gram_matrix(painting), gram_matrix(painting.repeat(1, 1, 2, 3))
    assert torch.allclose(target, larger, atol=1e-6)
    losses = [style_loss(features[:1], t, normalisation="paper").item() for t in (target, larger)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_total_variation():
    ramp = torch.arange(4.0).view(1, 1, 1, 4).expand(2, 3, 5, 4)
    assert total_variation(ramp).item() == pytest.approx(1)
    assert total_variation(ramp.mT * 3).item() == pytest.approx(3)
    board = (torch.arange(6)[:, None] + torch.arange(6)[None]) % 2
    assert total_variation(board[None, None].float()).item() == pytest.approx(2)
    assert total_variation(torch.rand(1, 3, 1, 1)).item() == 0


def test_unknown_normalisation(features):
    with pytest.raises(InputError, match="relative or paper"):
        content_loss(features, features, normalisation="none")
    with pytest.raises(InputError, match="relative or paper"):
        PerceptualLoss(normalisation="none")


@pytest.mark.parametrize("normalisation", ["relative", "paper"])
def test_perceptual_loss_adds_up(crops, normalisation):
    loss = PerceptualLoss(
        content_weight=3,
        style_weight=5,
        tv_weight=7,
        content_layers=["conv2_1", "relu2_2"],
        style_layers=["relu1_1", "relu2_1"],
        style_layer_weights=[1, 3],
        normalisation=normalisation,
    )
    loss.set_style(crops[1:])
    image, content = crops[:1].flip(-1), crops[:1]
    terms = loss(image, content)

    vgg, kind = loss.vgg, {"normalisation": normalisation}
    of_image, of_content, of_style = vgg(image), vgg(content), vgg(crops[1:])
    expected_content = np.mean(
        [content_loss(of_image[k], of_content[k], **kind) for k in ("conv2_1", "relu2_2")]
    )
    by_layer = [
        style_loss(of_image[k], gram_matrix(of_style[k]), **kind).item()
        for k in ("relu1_1", "relu2_1")
    ]
    divisor = 4 if normalisation == "relative" else 1
    expected_style = (by_layer[0] + 3 * by_layer[1]) / divisor
    variation = total_variation(image).item()

    assert terms["content"].item() == pytest.approx(expected_content, rel=1e-4)
    assert terms["style"].item() == pytest.approx(expected_style, rel=1e-4)
    assert terms["style/relu2_1"].item() == pytest.approx(by_layer[1], rel=1e-4)
    assert terms["total_variation"].item() == pytest.approx(variation)
    total = 3 * expected_content + 5 * expected_style + 7 * variation
    assert terms["loss"].item() == pytest.approx(total, rel=1e-4)


def test_perceptual_loss_is_zero_for_the_photo_in_its_own_style(crops):
    loss = PerceptualLoss()
    loss.set_style(crops[:1])
    terms = loss(crops[:1], crops[:1])
    assert terms["content"].item() == 0
    assert terms["style"].item() == pytest.approx(0, abs=1e-9)


def test_several_paintings_are_the_mean_of_their_gram_matrices(crops):
    loss, grams = PerceptualLoss(style_layers=["relu2_1"]), []
    for painting in (crops[:1], crops[1:]):
        loss.set_style(painting)
        grams.append(loss.gram_relu2_1.clone())
    loss.set_style(crops[:1], crops[1:])
    torch.testing.assert_close(loss.gram_relu2_1, (grams[0] + grams[1]) / 2)
    assert loss.gram_relu2_1.shape == (1, 128, 128)


def test_shares_weigh_the_gram_matrices(crops):
    loss, grams = PerceptualLoss(style_layers=["relu2_1"]), []
    for painting in (crops[:1], crops[1:]):
        loss.set_style(painting)
        grams.append(loss.gram_relu2_1.clone())
    loss.set_style(crops[:1], crops[1:], shares=[3, 1])
    torch.testing.assert_close(loss.gram_relu2_1, 0.75 * grams[0] + 0.25 * grams[1])


@pytest.mark.parametrize("shares", [[1], [1, 0], [1, -1], [1, float("nan")], [1, float("inf")]])
def test_shares_must_fit(crops, shares):
    with pytest.raises(InputError, match="2 numbers above 0"):
        PerceptualLoss(style_layers=["relu1_1"]).set_style(crops[:1], crops[1:], shares=shares)


def test_what_is_left_out_is_zero(crops):
    loss = PerceptualLoss(content_layers=["relu1_2"], style_layers=["relu1_1"])
    loss.set_style(crops[1:])
    both, no_content = loss(crops[1:], crops[:1]), loss(crops[:1], None)
    loss.set_style()
    no_style, nothing = loss(crops[1:], crops[:1]), loss(crops[:1], None)
    assert no_style["content"] == both["content"] > 0
    assert no_style["style"] == 0
    assert no_content["style"] > 0
    assert no_content["content"] == 0
    assert nothing["loss"] == 0


def test_nearest_places_are_a_term_of_their_own(crops):
    layers = {"content_layers": ["relu1_2"], "style_layers": ["relu1_1"]}
    loss = PerceptualLoss(nearest_weight=3, nearest_layers=["relu2_1", "relu2_2"], **layers)
    loss.set_style(crops[1:])
    with_it = loss(crops[:1], crops[1:])
    without = PerceptualLoss(**layers)
    without.set_style(crops[1:])
    features, painting = loss.vgg(crops[:1]), loss.vgg(crops[1:])
    expected = np.mean(
        [nearest_loss(features[k], places_of(painting[k])) for k in ("relu2_1", "relu2_2")]
    )
    assert "nearest" not in without(crops[:1], crops[1:])
    assert with_it["nearest"].item() == pytest.approx(expected, rel=1e-5)
    assert with_it["loss"].item() == pytest.approx(
        without(crops[:1], crops[1:])["loss"].item() + 3 * expected, rel=1e-5
    )
    loss.set_style()
    assert loss(crops[:1], None)["nearest"] == 0


def test_places_of_several_paintings_are_those_of_all(crops):
    loss = PerceptualLoss(style_layers=["relu1_1"], nearest_weight=1, nearest_layers=["relu2_1"])
    loss.set_style(crops[:1], crops[1:], shares=[3, 1])
    each = [places_of(x) for x in loss.vgg(crops)["relu2_1"].split(1)]
    torch.testing.assert_close(loss.places_relu2_1, torch.cat(each), rtol=1e-3, atol=1e-4)
    kept = loss.style_targets(crops[:1])
    loss.set_style(kept)
    assert torch.equal(loss.places_relu2_1, kept["places_relu2_1"])


def test_nearest_places_need_layers():
    with pytest.raises(InputError, match="nearest_layers"):
        PerceptualLoss(nearest_weight=1, nearest_layers=[])
    with pytest.raises(InputError, match="nearest_weight=-1"):
        PerceptualLoss(nearest_weight=-1)


def test_content_features_stand_for_the_photo(crops):
    loss = PerceptualLoss(content_layers=["relu1_2", "relu2_1"], style_layers=["relu1_1"])
    loss.set_style(crops[1:])
    kept = loss.content_features(crops[:1])
    assert set(kept) == {"relu1_2", "relu2_1"}
    assert loss(crops[1:], kept) == loss(crops[1:], crops[:1])


def test_losses_are_float32_under_autocast(crops):
    loss = PerceptualLoss(style_layers=["relu1_1"])
    loss.set_style(crops[1:])
    exact = loss(crops[:1].flip(-1), crops[:1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = loss(crops[:1].flip(-1), crops[:1])
    assert all(term.dtype == torch.float32 for term in terms.values())
    assert terms["content"].item() == pytest.approx(exact["content"].item(), rel=0.02)


def test_style_comes_first(crops):
    with pytest.raises(RuntimeError, match="set_style"):
        PerceptualLoss()(crops, crops)


@pytest.mark.parametrize(
    "layers", [{"content_layers": []}, {"style_layers": []}, {"style_layers": ["relu1_1"] * 2}]
)
def test_layers_must_be_named_once(layers):
    with pytest.raises(InputError, match="layer"):
        PerceptualLoss(**layers)


def test_weights_are_the_same_for_all_style_layers_unless_given():
    assert PerceptualLoss(style_layers=["relu1_1", "relu1_2"]).style_layers == {
        "relu1_1": 0.5,
        "relu1_2": 0.5,
    }


@pytest.mark.parametrize(
    "weights", [[1, 2], [0] * 5, [1, 1, 1, 1, -1], [float("nan")] * 5, [float("inf")] * 5]
)
def test_layer_weights_must_fit(weights):
    with pytest.raises(InputError, match="style_layer_weights"):
        PerceptualLoss(style_layer_weights=weights)

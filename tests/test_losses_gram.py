import numpy as np
import pytest
import torch

from hrstyle.errors import InputError
from hrstyle.losses import STYLE_LAYERS, Gram, gram_loss, gram_matrix


@pytest.fixture
def features():
    torch.manual_seed(0)
    return torch.randn(3, 5, 4, 6)


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


def test_gram_matrix_does_not_ask_where(features):
    moved = features.flatten(2)[..., torch.randperm(24)].view_as(features)
    assert torch.allclose(gram_matrix(moved), gram_matrix(features), atol=1e-6)


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


def test_the_relative_loss_is_in_shares_of_the_target(features):
    target = gram_matrix(features[:1])
    assert gram_loss(features[:1], target).item() == pytest.approx(0, abs=1e-6)
    # Twice the features are four times the Gram matrix: (4 − 1)² of the target's size.
    assert gram_loss(2 * features[:1], target).item() == pytest.approx(9, rel=1e-4)
    each = [gram_loss(f[None], target).item() for f in features]
    assert gram_loss(features, target).item() == pytest.approx(np.mean(each), rel=1e-5)


def test_the_papers_loss_is_its_formula_at_one_size(features):
    photo, painting = features[0].flatten(1), features[1].flatten(1)
    expected = ((photo @ photo.T - painting @ painting.T) ** 2).mean() / features[0].numel()
    actual = gram_loss(features[:1], gram_matrix(features[1:2]), normalisation="paper")
    assert actual.item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_papers_loss_does_not_depend_on_the_paintings_area(features):
    painting = features[1:2]
    target, larger = gram_matrix(painting), gram_matrix(painting.repeat(1, 1, 2, 3))
    assert torch.allclose(target, larger, atol=1e-6)
    losses = [gram_loss(features[:1], t, normalisation="paper").item() for t in (target, larger)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("normalisation", ["relative", "paper"])
def test_gradient_of_the_loss(features, check_gradient, normalisation):
    target = gram_matrix(features[1:2])
    check_gradient(lambda x: gram_loss(x, target, normalisation=normalisation), features[:1])


@pytest.mark.parametrize(("normalisation", "divisor"), [("relative", 4), ("paper", 1)])
def test_layers_count_by_their_weights(normalisation, divisor):
    """Of the relative loss the mean, of the paper's the sum."""
    result, painting = ({name: torch.rand(1, 3, 4, 4) for name in "ab"} for _ in range(2))
    how = {"normalisation": normalisation}
    term = Gram(layers=["a", "b"], layer_weights=[1, 3], **how)
    term.set_targets(term.targets(painting))
    one, other = (gram_loss(result[x], gram_matrix(painting[x]), **how).item() for x in "ab")
    assert term(result).item() == pytest.approx((one + 3 * other) / divisor, rel=1e-4)


def test_layers_count_the_same_unless_told_otherwise():
    assert Gram(layers=["a", "b"]).shares == [0.5, 0.5]


@pytest.mark.parametrize(
    "weights", [[1, 2], [0] * 5, [1, 1, 1, 1, -1], [float("nan")] * 5, [float("inf")] * 5]
)
def test_layer_weights_must_fit(weights):
    assert len(STYLE_LAYERS) == 5
    with pytest.raises(InputError, match="layer_weights"):
        Gram(layer_weights=weights)

import pytest
import torch

from hrstyle.errors import InputError
from hrstyle.losses import Content, content_loss


def test_it_has_its_closed_forms():
    features = torch.tensor([1.0, -2.0, 2.0]).view(1, 3, 1, 1)
    assert content_loss(features, features).item() == 0
    assert content_loss(features, 2 * features).item() == pytest.approx(9 / 36)
    assert content_loss(features, 2 * features, normalisation="paper").item() == 3


@pytest.mark.parametrize("normalisation", ["relative", "paper"])
def test_a_batch_does_not_mix_pictures(normalisation):
    features, target = torch.randn(2, 3, 5, 4, 6)
    how = {"normalisation": normalisation}
    alone = [content_loss(x[None], y[None], **how) for x, y in zip(features, target, strict=True)]
    assert content_loss(features, target, **how).item() == pytest.approx(sum(alone).item() / 3)


@pytest.mark.parametrize("normalisation", ["relative", "paper"])
def test_the_gradient_is_that_of_differences(check_gradient, normalisation):
    features, target = torch.randn(2, 1, 5, 4, 6)
    check_gradient(lambda x: content_loss(x, target, normalisation=normalisation), features)


def test_the_term_is_the_mean_over_its_layers():
    result = {name: torch.rand(1, 3, 4, 4) for name in "ab"}
    photo = {name: torch.rand(1, 3, 4, 4) for name in "ab"}
    expected = sum(content_loss(result[name], photo[name]) for name in "ab") / 2
    assert Content(layers=["a", "b"])(result, photo).item() == pytest.approx(expected.item())


def test_bfloat16_features_give_float32():
    features = torch.rand(1, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = content_loss(features.bfloat16(), features.flip(3))
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(content_loss(features, features.flip(3)).item(), rel=0.02)


def test_an_unknown_normalisation_is_an_input_error():
    with pytest.raises(InputError, match="relative or paper"):
        content_loss(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1), normalisation="none")
    with pytest.raises(InputError, match="relative or paper"):
        Content(normalisation="none")

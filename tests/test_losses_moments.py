import numpy as np
import pytest
import torch

from hrstyle.losses import Moments, mean_and_covariance, moment_loss


@pytest.fixture
def features():
    torch.manual_seed(0)
    return torch.randn(3, 5, 4, 6) + 1


def test_mean_and_covariance_are_those_of_numpy(features):
    means, covariances = mean_and_covariance(features)
    for picture, mean, covariance in zip(features, means, covariances, strict=True):
        flat = picture.flatten(1).double().numpy()
        assert np.allclose(mean, flat.mean(1), atol=1e-6)
        assert np.allclose(covariance, np.cov(flat, bias=True), atol=1e-5)


def test_it_is_what_is_reckoned_by_hand():
    features = torch.tensor([[1.0, 3.0], [5.0, 1.0]]).view(1, 2, 1, 2)
    mean, covariance = mean_and_covariance(features)
    assert mean.tolist() == [[2, 3]]
    assert covariance.tolist() == [[[1, -2], [-2, 4]]]
    assert moment_loss(features, mean, covariance).item() == 0
    # Without any variance it is off by all of the covariance; with means of zero, by these, too.
    flat = mean.view(1, 2, 1, 1).expand(1, 2, 3, 3)
    assert moment_loss(flat, mean, covariance).item() == pytest.approx(1)
    assert moment_loss(0 * flat, mean, covariance).item() == pytest.approx(2)
    # Twice the features: the mean is off by itself, the covariance by three times itself.
    assert moment_loss(2 * features, mean, covariance).item() == pytest.approx(1 + 9)


def test_places_do_not_matter(features):
    target = mean_and_covariance(features[1:2])
    moved = features.flatten(2)[..., torch.randperm(24)].view_as(features)
    assert moment_loss(moved, *target).item() == pytest.approx(
        moment_loss(features, *target).item(), rel=1e-5
    )


def test_a_batch_does_not_mix_pictures(features):
    target = mean_and_covariance(torch.randn(1, 5, 3, 3))
    alone = [moment_loss(x[None], *target).item() for x in features]
    assert moment_loss(features, *target).item() == pytest.approx(np.mean(alone), rel=1e-5)


def test_the_gradient_is_that_of_differences(features, check_gradient):
    target = mean_and_covariance(features[1:2])
    check_gradient(lambda x: moment_loss(x, *target), features[:1])


def test_bfloat16_features_give_float32(features):
    target = mean_and_covariance(features[1:2])
    with torch.autocast("cpu", torch.bfloat16):
        found = moment_loss(features[:1].bfloat16(), *target)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(moment_loss(features[:1], *target).item(), rel=0.02)


def test_the_term_is_the_mean_over_its_layers():
    result, painting = ({name: torch.rand(1, 3, 4, 4) for name in "ab"} for _ in range(2))
    term = Moments(layers=["a", "b"])
    term.set_targets(term.targets(painting))
    losses = [moment_loss(result[x], *mean_and_covariance(painting[x])).item() for x in "ab"]
    assert term(result).item() == pytest.approx(np.mean(losses), rel=1e-5)
    assert term(painting).item() == pytest.approx(0, abs=1e-10)

import numpy as np
import pytest
import torch

from hrstyle.losses import SelfSimilarity, self_similarity, self_similarity_loss


@pytest.fixture
def both():
    torch.manual_seed(0)
    return torch.rand(2, 3, 5, 4, 6)


def by_loops(features, photo):
    """Mean of |column / its sum − the photo's column / its sum| times the number of places."""

    def table(picture):
        flat = picture.double().flatten(1).T.numpy()
        d = np.zeros((len(flat), len(flat)))
        for p, one in enumerate(flat):
            for q, other in enumerate(flat):
                d[p, q] = 1 - one @ other / np.sqrt((one @ one) * (other @ other))
        for q in range(len(flat)):
            d[:, q] /= sum(d[:, q])
        return d

    differences = [np.abs(table(x) - table(y)) for x, y in zip(features, photo, strict=True)]
    return np.mean(differences) * features[0, 0].numel()


def test_it_is_what_plain_loops_give(both):
    expected = by_loops(*both)
    assert self_similarity_loss(*both).item() == pytest.approx(expected, rel=1e-3)


def test_it_is_what_is_reckoned_by_hand():
    # Three places, of which the first two are alike, or the last two. Distances are 0 or 1.
    one = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).view(1, 2, 1, 3)
    other = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]).view(1, 2, 1, 3)
    first = np.array([[0, 0, 1], [0, 0, 1], [0.5, 0.5, 0]])
    second = np.array([[0, 0.5, 0.5], [1, 0, 0], [1, 0, 0]])
    expected = np.abs(first - second).mean() * 3
    assert self_similarity_loss(one, other).item() == pytest.approx(expected)
    assert self_similarity_loss(one, one).item() == 0


def test_only_what_is_alike_counts(both):
    features, photo = both
    torch.manual_seed(1)
    turn = torch.linalg.qr(torch.randn(5, 5)).Q
    turned = torch.einsum("ij,njhw->nihw", turn, features)
    expected = self_similarity_loss(features, photo).item()
    for same in (3 * features, turned):
        assert self_similarity_loss(same, photo).item() == pytest.approx(expected, rel=1e-3)
    assert self_similarity_loss(7 * photo, photo).item() == pytest.approx(0, abs=1e-4)
    order = torch.randperm(24)
    moved = [x.flatten(2)[..., order].view_as(x) for x in both]  # both of them: nothing changes
    assert self_similarity_loss(*moved).item() == pytest.approx(expected, rel=1e-3)
    assert self_similarity_loss(moved[1], photo).item() > 0.3  # where it is does matter


def test_a_batch_does_not_mix_pictures(both):
    alone = [self_similarity_loss(x[None], y[None]).item() for x, y in zip(*both, strict=True)]
    assert self_similarity_loss(*both).item() == pytest.approx(np.mean(alone), rel=1e-5)
    features = both[0].requires_grad_()
    (gradient,) = torch.autograd.grad(self_similarity_loss(features[:2], both[1, :2]), features)
    other, photos = features[[0, 2]], both[1, [0, 2]]
    (changed,) = torch.autograd.grad(self_similarity_loss(other, photos), features)
    assert torch.allclose(gradient[0], changed[0], atol=1e-6)


def test_the_gradient_is_that_of_differences(both, check_gradient):
    check_gradient(lambda x: self_similarity_loss(x, both[1, :1]), both[0, :1], step=2e-3)


def test_bfloat16_features_give_float32(both):
    exact = self_similarity_loss(*both)
    with torch.autocast("cpu", torch.bfloat16):
        found = self_similarity_loss(both[0].bfloat16(), both[1])
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(exact.item(), rel=0.05)


def test_few_places_are_compared_and_a_seed_chooses_them(monkeypatch):
    """In a 1024 px picture relu3_1 has 65,536, and all pairs would take 17 GB."""
    shapes = []

    def record(x, y, compare=self_similarity.cosine_distances):
        shapes.append((x.shape[1], y.shape[1]))
        return compare(x, y)

    monkeypatch.setattr(self_similarity, "cosine_distances", record)
    features, photo = torch.rand(2, 1, 3, 256, 256)

    def loss(seed):
        torch.manual_seed(seed)
        return self_similarity_loss(features, photo).item()

    assert loss(1) == loss(1) != loss(2)
    assert set(shapes) == {(self_similarity.SAMPLES, self_similarity.SAMPLES)}
    # The same places of both: what is far from itself at any other place is 0 here.
    assert self_similarity_loss(features, features).item() == 0


def test_the_term_is_the_mean_over_its_layers():
    result, photo = ({name: torch.rand(1, 3, 4, 4) for name in "ab"} for _ in range(2))
    expected = np.mean([self_similarity_loss(result[x], photo[x]).item() for x in "ab"])
    found = SelfSimilarity(layers=["a", "b"])(result, photo)
    assert found.item() == pytest.approx(expected, rel=1e-5)

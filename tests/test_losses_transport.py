import numpy as np
import pytest
import torch

from hrstyle.losses import Transport, transport, transport_loss
from hrstyle.losses.sampling import feature_vectors


@pytest.fixture
def features():
    torch.manual_seed(0)
    return torch.rand(3, 5, 4, 6)


@pytest.fixture
def painting():
    torch.manual_seed(1)
    return torch.rand(7, 5)


def by_loops(features, painting):
    """Mean over pictures of the larger of two means of distances to the most similar place."""
    losses = []
    for picture in features.double().flatten(2).mT.numpy():
        table = np.zeros((len(picture), len(painting)))
        for p, ours in enumerate(picture):
            for q, theirs in enumerate(painting.double().numpy()):
                table[p, q] = 1 - ours @ theirs / np.sqrt((ours @ ours) * (theirs @ theirs))
        there = np.mean([min(row) for row in table])
        back = np.mean([min(column) for column in table.T])
        losses.append(max(there, back))
    return np.mean(losses)


def test_it_is_what_plain_loops_give(features, painting):
    expected = by_loops(features, painting)
    assert transport_loss(features, painting).item() == pytest.approx(expected, abs=1e-5)


def test_it_is_what_is_reckoned_by_hand():
    blue, red = [1.0, 0.0], [0.0, 2.0]
    both, only_blue = torch.tensor([blue, red]), torch.tensor([blue])
    picture = torch.tensor([blue, blue, blue, red]).T.reshape(1, 2, 2, 2)
    assert transport_loss(picture, both).item() == pytest.approx(0, abs=1e-6)
    # The red place, one in four, is at right angles to all of the painting.
    assert transport_loss(picture, only_blue).item() == pytest.approx(1 / 4)
    # Each place is in the painting, but half the painting is nowhere.
    assert transport_loss(picture[..., :1, :], both).item() == pytest.approx(1 / 2)


def test_a_picture_is_near_to_itself_however_its_places_lie(features, painting):
    same = feature_vectors(features[:1])[0]
    assert transport_loss(features[:1], same).item() == pytest.approx(0, abs=1e-6)
    moved = features.flatten(2)[..., torch.randperm(24)].view_as(features)
    assert transport_loss(moved, painting).item() == pytest.approx(
        transport_loss(features, painting).item(), rel=1e-5
    )


def test_a_batch_does_not_mix_pictures(features, painting):
    alone = [transport_loss(x[None], painting).item() for x in features]
    assert transport_loss(features, painting).item() == pytest.approx(np.mean(alone), rel=1e-5)
    features.requires_grad_()
    (gradient,) = torch.autograd.grad(transport_loss(features[:2], painting), features)
    other = torch.stack([features[0], features[2]])
    (changed,) = torch.autograd.grad(transport_loss(other, painting), features)
    assert torch.allclose(gradient[0], changed[0], atol=1e-7)


def test_the_gradient_is_that_of_differences(features, painting, check_gradient):
    check_gradient(lambda x: transport_loss(x, painting), features[:1], step=1e-3)


def test_bfloat16_features_give_float32(features, painting):
    exact = transport_loss(features, painting)
    with torch.autocast("cpu", torch.bfloat16):
        found = transport_loss(features.bfloat16(), painting)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(exact.item(), rel=0.02)


def test_few_places_are_compared_and_a_seed_chooses_them(monkeypatch):
    """In a 1024 px picture relu3_1 has 65,536, and all pairs would take 17 GB."""
    shapes = []

    def record(x, y, compare=transport.cosine_distances):
        shapes.append((x.shape[1], y.shape[1]))
        return compare(x, y)

    monkeypatch.setattr(transport, "cosine_distances", record)
    features, painting = torch.rand(1, 3, 256, 256), torch.rand(transport.TARGET_SAMPLES, 3)

    def loss(seed):
        torch.manual_seed(seed)
        return transport_loss(features, painting).item()

    assert loss(1) == loss(1) != loss(2)
    assert set(shapes) == {(transport.SAMPLES, transport.SAMPLES)}


def test_so_much_is_kept_of_a_painting():
    features = torch.arange(2.0 * 100 * 100).view(1, 2, 100, 100)
    (kept,) = Transport(layers=["a"]).targets({"a": features}).values()
    assert kept.shape == (transport.TARGET_SAMPLES, 2)
    assert kept[[0, -1], 0].tolist() == [0, 9999]
    assert len(set(kept[:, 0].tolist())) == transport.TARGET_SAMPLES
    every = Transport(layers=["a"]).targets({"a": features[..., :9, :9]})["a"]
    assert torch.equal(every, feature_vectors(features[..., :9, :9])[0])


def test_several_paintings_are_seen_in_proportion():
    one, other = torch.zeros(60, 2), torch.ones(300, 2)
    for shares, expected in (([0.5, 0.5], (60, 60)), ([0.25, 0.75], (60, 180)),
                             ([0.1, 0.9], (33, 300))):  # fmt: skip
        blended = Transport().blend([one, other], shares)
        assert ((blended == 0).all(1).sum(), (blended == 1).all(1).sum()) == expected

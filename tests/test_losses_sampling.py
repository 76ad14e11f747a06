import torch

from hrstyle.losses.sampling import feature_vectors, sample_indices, seeded


def test_places_go_along_the_rows():
    features = torch.arange(2 * 3 * 2 * 2).view(2, 3, 2, 2)
    found = feature_vectors(features)
    assert found.dtype == torch.float32
    assert found[1].tolist() == [[12, 16, 20], [13, 17, 21], [14, 18, 22], [15, 19, 23]]


def test_drawn_places_are_the_same_ones_of_each_picture():
    one = torch.arange(100.0).view(1, 1, 10, 10)
    features = torch.cat([one, one + 1000])
    torch.manual_seed(3)
    first, second = feature_vectors(features, 20)
    assert torch.equal(second, first + 1000)
    assert len(set(first.flatten().tolist())) == 20
    torch.manual_seed(3)
    assert torch.equal(feature_vectors(features, 20)[0], first)
    assert not torch.equal(feature_vectors(features, 20)[0], first)
    assert torch.equal(
        feature_vectors(features, 100), feature_vectors(features)
    )  # no more than there are


def test_a_seed_gives_the_same_numbers_and_leaves_torchs_own_as_they_were():
    before = torch.get_rng_state()
    with seeded(3):
        first = sample_indices(100, 7, torch.device("cpu"))
    assert len(set(first.tolist())) == 7
    assert torch.equal(torch.get_rng_state(), before)
    with seeded(3):
        assert torch.equal(sample_indices(100, 7, torch.device("cpu")), first)


def test_a_seeded_function_draws_the_same_numbers_each_time():
    draw = seeded(5)(lambda: torch.rand(3))
    assert torch.equal(draw(), draw())

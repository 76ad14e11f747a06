import numpy as np
import pytest
import torch

from hrstyle.losses.distances import cosine_distances, mean_square, relative_error, unit_vectors


def test_relative_error_is_the_mean_over_pictures_of_a_ratio():
    value = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    target = torch.tensor([[3.0, 4.0], [3.0, 0.0]])
    assert relative_error(value, target).item() == pytest.approx((1 + 16 / 9) / 2)
    assert relative_error(value, target[:1]).item() == pytest.approx((1 + 0) / 2)
    assert relative_error(value, torch.zeros(1, 2)).isfinite()


def test_the_mean_square_is_that_by_hand():
    value, target = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 4.0]])
    assert mean_square(value, target).item() == pytest.approx((0 + 4 + 4 + 0) / 4)


def test_unit_vectors_have_length_1_unless_the_vector_is_tiny():
    vectors = torch.tensor([[[3.0, 4.0], [0.0, 2.0], [0.0, 0.0], [1e-4, 0.0]]])
    found = unit_vectors(vectors)[0]
    assert torch.allclose(found[:3], torch.tensor([[0.6, 0.8], [0.0, 1.0], [0.0, 0.0]]))
    assert 0 < found[3].norm() < 0.1
    assert torch.equal(unit_vectors(torch.zeros(1, 2, 3)), torch.zeros(1, 2, 3))


def test_cosine_distances_against_a_loop():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 3, 5)), random.normal(size=(2, 4, 5))
    found = cosine_distances(torch.tensor(x).float(), torch.tensor(y).float())
    for n in range(2):
        for p in range(3):
            for q in range(4):
                a, b = x[n, p], y[n, q]
                expected = 1 - a @ b / np.sqrt(a @ a) / np.sqrt(b @ b)
                assert found[n, p, q].item() == pytest.approx(expected, abs=1e-5)

import pytest
import torch
from torch import nn

from hrstyle.generator import pyramid
from hrstyle.generator.base import Generator
from hrstyle.generator.colours import colour_map, match_colours
from hrstyle.losses.moments import mean_and_covariance


def moments_of(pictures):
    means, covariances = zip(*(mean_and_covariance(picture) for picture in pictures), strict=True)
    return torch.cat(means).mean(0), torch.cat(covariances).mean(0)


@pytest.fixture
def painting():
    torch.manual_seed(2)
    spread = torch.tensor([[0.06, 0.01, 0], [0, 0.05, -0.02], [0, 0, 0.04]])
    colours = torch.einsum("ij,njhw->nihw", spread, torch.randn(1, 3, 40, 40))
    return (colours + torch.tensor([0.6, 0.5, 0.4])[:, None, None]).clamp(0, 1)


@pytest.fixture
def photos(crops):
    return list(crops.split(1))


def test_the_map_of_axes_is_the_ratio_of_deviations():
    before, after = torch.tensor([4.0, 1.0, 9.0]), torch.tensor([9.0, 1.0, 4.0])
    mean, wanted = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 5.0, 1.0])
    matrix, shift = colour_map(mean, torch.diag(before), wanted, torch.diag(after))
    assert torch.allclose(matrix, torch.diag((after / before).sqrt()), atol=1e-5)
    assert torch.allclose(matrix @ mean + shift, wanted, atol=1e-5)


def test_the_map_gives_any_covariance_and_is_symmetric():
    torch.manual_seed(0)
    a, b = (torch.eye(3) + 0.3 * torch.rand(3, 3) for _ in range(2))
    matrix, _ = colour_map(torch.zeros(3), a @ a.mT, torch.zeros(3), b @ b.mT)
    assert torch.allclose(matrix @ a @ a.mT @ matrix.mT, b @ b.mT, atol=1e-4)
    assert torch.allclose(matrix, matrix.mT, atol=1e-5)


def test_colours_are_spread_at_most_twice():
    matrix, _ = colour_map(torch.zeros(3), torch.eye(3), torch.zeros(3), 100 * torch.eye(3))
    assert torch.allclose(matrix, 2 * torch.eye(3), atol=1e-5)


def test_results_get_the_paintings_mean_and_covariance(photos):
    torch.manual_seed(0)
    generator = pyramid(channels=(4, 8, 8), blocks=(1, 1)).eval()
    generator.to_rgb.weight.data *= 0.3  # results of little contrast, which nothing clamps
    spread = torch.tensor([[1.3, 0.1, 0.0], [0.1, 1.2, 0.1], [0.0, 0.1, 1.4]])
    with torch.no_grad():
        results = [generator(photo) for photo in photos]
        paintings = [torch.einsum("ij,njhw->nihw", spread, x - 0.5) + 0.45 for x in results]
        assert match_colours(generator, photos, paintings)
        mean, covariance = moments_of([generator(photo) for photo in photos])
    wanted_mean, wanted_covariance = moments_of(paintings)
    assert torch.allclose(mean, wanted_mean, atol=1e-4)
    assert torch.allclose(covariance, wanted_covariance, rtol=1e-2, atol=1e-5)


def test_a_style_weight_of_0_changes_nothing_and_one_of_a_half_half(photos, painting):
    generator = pyramid(channels=(4, 8, 8), blocks=(1, 1)).eval()
    with torch.no_grad():
        before = generator(photos[0])
        match_colours(generator, photos, [painting], style_weight=0)
        assert torch.allclose(generator(photos[0]), before, atol=1e-5)
        matrices = []
        for amount in (0.5, 1.0):
            copy = pyramid(channels=(4, 8, 8), blocks=(1, 1)).eval()
            copy.load_state_dict(generator.state_dict())
            match_colours(copy, photos, [painting], style_weight=amount)
            matrices.append(copy(photos[0]))
        assert torch.allclose(matrices[0], (before + matrices[1]) / 2, atol=1e-4)


class Squashed(Generator):
    """A network whose last convolution does not give the result itself."""

    def __init__(self):
        super().__init__(stride=1, mean=(0.5,) * 3, std=(0.5,) * 3)
        self.config = {"name": "squashed"}
        self.body = nn.Conv2d(3, 3, 1)

    def network(self, x):
        return self.body(x).tanh()


def test_a_network_that_cannot_be_changed_so_is_left_as_it_is(photos, painting):
    generator = Squashed()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    assert not match_colours(generator, photos, [painting])
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name])
    generator.body = nn.Conv2d(3, 3, 1, bias=False)
    assert not match_colours(generator, photos, [painting])

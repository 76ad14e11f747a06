import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hrstyle.losses.winograd import FrozenConv2d, convolve, convolve_adjoint, transform_weights


@pytest.mark.parametrize("size", [(3, 3), (6, 6), (4, 9), (18, 13), (20, 22)])
def test_equals_the_definition_at_any_size(size):
    x = torch.randn(2, 5, *size, dtype=torch.float64)
    weight = torch.randn(7, 5, 3, 3, dtype=torch.float64)
    result = convolve(x, transform_weights(weight))
    assert torch.allclose(result, F.conv2d(x, weight), atol=1e-11)


@pytest.mark.parametrize("size", [(3, 3), (6, 6), (4, 9), (18, 13), (20, 22)])
def test_the_adjoint_is_the_gradient(size):
    x = torch.randn(2, 5, *size, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(7, 5, 3, 3, dtype=torch.float64)
    result = F.conv2d(x, weight)
    direction = torch.randn_like(result)
    (expected,) = torch.autograd.grad(result, x, direction)
    gradient = convolve_adjoint(direction, transform_weights(weight))
    assert torch.allclose(gradient, expected, atol=1e-11)


@pytest.fixture
def layers():
    """A frozen convolution large enough to go by tiles, and the plain one with its weights."""
    torch.manual_seed(0)
    plain = nn.Conv2d(128, 64, 3, padding=1, padding_mode="replicate")
    frozen = FrozenConv2d(128, 64, 3, padding=1, padding_mode="replicate")
    frozen.load_state_dict(plain.state_dict())
    return frozen.requires_grad_(False), plain.requires_grad_(False)


def test_value_and_gradient_in_float32(layers):
    for size in ((1, 1), (16, 16), (13, 18)):
        x = torch.randn(1, 128, *size)
        direction = torch.randn(1, 64, *size)
        values, gradients = [], []
        for layer in layers:
            variable = x.clone().requires_grad_()
            values.append(layer(variable))
            (values[-1] * direction).sum().backward()
            gradients.append(variable.grad)
        assert values[0].grad_fn.name() != values[1].grad_fn.name()  # it did go by tiles
        assert torch.allclose(*values, atol=2e-5)
        assert torch.allclose(*gradients, atol=2e-5)


def test_only_where_it_pays(layers):
    frozen, plain = layers
    x = torch.randn(1, 128, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        result = frozen(x)
        assert result.dtype == torch.bfloat16
        assert torch.equal(result, plain(x))
    for dtype in (torch.float64, torch.bfloat16):
        assert torch.equal(frozen.to(dtype)(x.to(dtype)), plain.to(dtype)(x.to(dtype)))
    assert frozen._transformed is None
    small = FrozenConv2d(3, 64, 3, padding=1)
    small(torch.randn(1, 3, 8, 8))
    assert small._transformed is None

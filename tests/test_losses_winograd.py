import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hrstyle.losses import winograd
from hrstyle.losses.winograd import FrozenConv2d, convolve, convolve_adjoint, transform_weights


@pytest.fixture
def threads():
    """Sets the number of PyTorch's threads for a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


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


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize(
    ("batch", "size", "bands"), [(1, (61, 90), 3), (3, (41, 30), 2), (2, (7, 700), 2)]
)
def test_bands_join_to_the_plain_convolution(threads, batch, size, bands, number):
    """A band ends in the middle of a picture, and the last one is shorter."""
    threads(number)
    down, across = (-(-(side - 2) // 4) for side in size)
    rows = winograd._bands(batch, down, across)
    assert [top for top, _ in rows[1:]] == [end for _, end in rows[:-1]]
    assert (rows[0][0], rows[-1][1]) == (0, down)
    assert number > 1 or len(rows) >= bands
    torch.manual_seed(0)
    x = torch.randn(batch, 3, *size, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64)
    expected = F.conv2d(x, weight)
    transformed = transform_weights(weight)
    assert torch.allclose(convolve(x.detach(), transformed), expected, atol=1e-11)
    direction = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(expected, x, direction)
    assert torch.allclose(convolve_adjoint(direction, transformed), gradient, atol=1e-11)


def test_the_memory_format_changes_nothing():
    x = torch.randn(2, 3, 30, 40, dtype=torch.float64)
    transformed = transform_weights(torch.randn(4, 3, 3, 3, dtype=torch.float64))
    expected = convolve(x, transformed)
    assert torch.equal(convolve(x.to(memory_format=torch.channels_last), transformed), expected)
    wide = torch.randn(2, 3, 30, 80, dtype=torch.float64)
    wide[..., ::2] = x
    assert torch.equal(convolve(wide[..., ::2], transformed), expected)


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


def test_tiles_are_taken_only_for_many_channels_in_float32(layers):
    frozen, plain = layers
    x = torch.randn(1, 128, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        result = frozen(x)
        assert result.dtype == torch.bfloat16
        assert torch.equal(result, plain(x))
    for dtype in (torch.float64, torch.bfloat16):
        assert torch.equal(frozen.to(dtype)(x.to(dtype)), plain.to(dtype)(x.to(dtype)))
    small, few = FrozenConv2d(3, 64, 3, padding=1), torch.randn(1, 3, 8, 8)
    assert torch.equal(small(few), nn.Conv2d.forward(small, few))


def test_changed_weights_are_seen(layers):
    frozen, plain = layers
    x = torch.randn(1, 128, 8, 8)
    frozen(x)
    state = {name: 2 * value + 1 for name, value in plain.state_dict().items()}

    def load():
        for layer in layers:
            layer.load_state_dict(state)

    def assign():
        for layer in layers:
            layer.load_state_dict({k: v / 3 for k, v in state.items()}, assign=True)

    def in_place():
        for layer in layers:
            layer.weight.mul_(-1)

    def by_type():
        for layer in layers:
            layer.bfloat16().float()

    for change in (load, assign, in_place, by_type):
        change()
        assert torch.allclose(frozen(x), plain(x), rtol=1e-4, atol=1e-3), change
    kept = frozen._transformed
    frozen(x)
    assert frozen._transformed is kept


def test_a_layer_made_in_inference_mode_works():
    with torch.inference_mode():
        frozen = FrozenConv2d(64, 64, 3, padding=1)
        x = torch.randn(1, 64, 8, 8)
        assert torch.allclose(frozen(x), nn.Conv2d.forward(frozen, x), atol=2e-5)

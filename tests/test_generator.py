import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hrstyle.generator import (
    Bottleneck,
    Noise,
    noise_rows,
    pad_to_multiple,
    paper,
    pyramid,
    upsample,
)

BUILDERS = [paper, pyramid]


def conv(i, o, k):
    return k * k * i * o + o


def bottleneck(i, o, width):
    """Parameters of a bottleneck's convolutions, counted from its description."""
    total = conv(i, width, 1) + conv(width, width, 3) + conv(width, o, 1)
    return total + (conv(i, o, 1) if i != o else 0)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_bottleneck_is_three_normalised_convolutions_and_a_shortcut():
    block = Bottleneck(3, 16, 4, affine=False, padding_mode="zeros")
    layers = [m for m in block.body.modules() if not list(m.children())]
    kinds = [nn.Conv2d, nn.InstanceNorm2d, nn.ReLU] * 3
    assert [type(m) for m in layers] == kinds
    assert [m.kernel_size for m in layers if isinstance(m, nn.Conv2d)] == [(1, 1), (3, 3), (1, 1)]
    x = torch.randn(1, 3, 9, 7)
    norm = F.instance_norm(F.conv2d(x, block.shortcut[0].weight, block.shortcut[0].bias))
    assert torch.allclose(block(x), F.relu(block.body(x) + norm))
    assert isinstance(Bottleneck(16, 16, 4).shortcut, nn.Identity)


@pytest.mark.parametrize("build", BUILDERS)
def test_no_pooling_and_no_dropout(build):
    names = {type(m).__name__ for m in build().modules()}
    assert not [name for name in names if "Pool" in name or "Dropout" in name]


def test_pyramid_parameter_count_follows_from_the_description():
    expected = conv(3, 8, 3) + conv(8, 3, 3)
    for fine, coarse, blocks, noise in ((8, 32, 1, 0), (32, 64, 4, 64), (64, 128, 5, 128)):
        expected += conv(fine, coarse, 3) + 2 * coarse + noise
        expected += blocks * (bottleneck(coarse, coarse, coarse // 2) + 2 * (coarse // 2))
        expected += conv(coarse, fine, 1) + 2 * fine
        expected += bottleneck(fine, fine, fine // 2) + 2 * (fine // 2) if fine > 8 else 0
    assert parameters(pyramid()) == expected == 449107


def test_bottleneck_can_do_with_fewer_norms():
    block = Bottleneck(8, 8, 4, norms=(False, True, False))
    (norm,) = (m for m in block.modules() if isinstance(m, nn.InstanceNorm2d))
    first, second, third = (m for m in block.modules() if isinstance(m, nn.Conv2d))
    x = torch.rand(2, 8, 6, 5)
    inside = F.relu(norm(second(F.relu(first(x)))))
    assert torch.allclose(block(x), F.relu(x + F.relu(third(inside))))


def test_noise_is_the_same_every_time_and_elsewhere_while_training():
    noise = Noise(4, period=7).eval()
    nn.init.ones_(noise.weight)
    x = torch.zeros(1, 4, 9, 16)
    added = noise(x)
    assert torch.allclose(added, Noise(4, period=7).eval()(x) / 0.3)  # 0.3 is its first weight
    assert torch.equal(added[:, :, :, :7], added[:, :, :, 7:14])
    assert torch.equal(added[:, :, 0], added[:, :, 7])
    assert torch.equal(noise_rows(noise.pattern, 3, 9, 16), added[0, 0, 3:9])
    torch.manual_seed(0)
    assert not torch.equal(noise.train()(x), noise(x))
    # A standard normal, and the two of a generator differ.
    first, second = (m.pattern for m in pyramid().modules() if isinstance(m, Noise))
    assert abs(first.mean()) < 0.02
    assert abs(first.std() - 1) < 0.02
    assert math.gcd(len(first), len(second)) == 1


def test_flat_pictures_are_not_painted_flat():
    torch.manual_seed(0)
    painted = pyramid().eval()(torch.full((1, 3, 64, 64), 0.5))
    assert painted[..., 16:48, 16:48].std() > 0.01


def multiply_adds(generator, size=64):
    total = 0

    def count(module, inputs, output):
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    for module in generator.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    generator(torch.rand(1, 3, size, size))
    return total / size**2


def test_multiply_adds_a_pixel():
    assert multiply_adds(pyramid()) == 13616
    assert multiply_adds(paper()) == 35420


def receptive_field(generator):
    """Width of what one output pixel sees, at the worst place, without InstanceNorm."""
    for module in generator.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.InstanceNorm2d):
                setattr(module, name, nn.Identity())
    for parameter in generator.parameters():
        nn.init.ones_(parameter)
    widths = []
    for column in range(192, 200):
        picture = torch.ones(1, 3, 8, 384, dtype=torch.float64, requires_grad=True)
        generator.double()(picture)[..., column].sum().backward()
        seen = picture.grad.sum((0, 1, 2)).nonzero()
        widths.append((seen.max() - seen.min() + 1).item())
    return max(widths)


@pytest.mark.slow
def test_the_receptive_fields_are_those_documented():
    assert receptive_field(paper()) == 23
    assert receptive_field(pyramid()) == 165


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 5), (16, 16), (17, 31), (64, 33)])
def test_output_has_the_size_of_the_input(build, size):
    picture = torch.rand(2, 3, *size)
    painted = build()(picture)
    assert painted.shape == picture.shape
    assert painted.isfinite().all()


def test_multiples_of_the_stride_are_not_padded(tiny):
    picture = torch.rand(1, 3, 24, 16)
    expected = tiny.network((picture - 0.5) / 0.25) * 0.25 + 0.5
    assert torch.allclose(tiny(picture), expected)


def test_padding_mirrors_where_it_can_and_repeats_where_it_cannot():
    wide = torch.arange(10.0).view(1, 1, 1, 10).expand(1, 3, 2, 10)
    padded = pad_to_multiple(wide, 4)
    assert padded.shape == (1, 3, 8, 12)
    assert padded[0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7]
    short = pad_to_multiple(torch.tensor([1.0, 2.0]).view(1, 1, 1, 2), 2)
    assert short[0, 0].tolist() == [[1, 2, 2, 2]] * 4


@pytest.mark.parametrize("build", BUILDERS)
def test_pictures_of_a_batch_do_not_mix(build):
    generator, pictures = build().eval(), torch.rand(3, 3, 20, 28)
    alone = torch.cat([generator(picture[None]) for picture in pictures])
    assert torch.allclose(generator(pictures), alone, atol=1e-5)


@pytest.mark.parametrize("build", BUILDERS)
def test_every_parameter_takes_part(build):
    generator = build()
    generator(torch.rand(1, 3, 32, 32)).square().sum().backward()
    # A bias before InstanceNorm changes nothing; its gradient is zero up to rounding, but there.
    assert all(p.grad is not None for p in generator.parameters())
    assert all(p.grad.abs().sum() > 0 for p in generator.parameters() if p.ndim == 4)


def test_pointwise_convolution_and_upsampling_commute():
    torch.manual_seed(0)
    x, pointwise = torch.randn(1, 8, 5, 7), nn.Conv2d(8, 4, 1)
    assert torch.allclose(pointwise(upsample(x, 2)), upsample(pointwise(x), 2), atol=1e-5)

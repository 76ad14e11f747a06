import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hrstyle.engine.layers import read_layers
from hrstyle.generator import Generator, paper, pyramid


def count(generator, kind):
    return [layer.kind for layer in read_layers(generator)].count(kind)


@pytest.mark.parametrize("build", [paper, pyramid])
def test_layers_are_those_of_the_modules(build):
    generator = build().eval()
    kinds = [type(module) for module in generator.modules()]
    assert count(generator, "conv") == kinds.count(nn.Conv2d)
    assert count(generator, "norm") == kinds.count(nn.InstanceNorm2d)
    assert count(generator, "pad") == 0
    layers = read_layers(generator)
    assert (layers[0].kind, layers[-1].kind, layers[-1].channels) == ("picture", "conv", 3)
    assert max(layer.stride for layer in layers) == generator.stride
    seen = set()
    for layer in layers:
        assert seen.issuperset(layer.inputs)
        seen.add(layer)


def test_multiply_adds_of_a_convolution():
    stem = next(layer for layer in read_layers(pyramid().eval()) if layer.kind == "conv")
    assert stem.multiply_adds() == 3 * 8 * 9
    total = sum(x.multiply_adds() for x in read_layers(pyramid().eval()) if x.kind == "conv")
    assert total == 13616


def test_the_rows_a_layer_needs_are_those_by_hand():
    layers = read_layers(pyramid().eval())
    convs = [layer for layer in layers if layer.kind == "conv"]
    assert convs[0].rows_needed(4, 6) == (3, 7)  # 3x3
    strided = next(layer for layer in convs if layer.settings["step"] == 2)
    assert strided.rows_needed(4, 6) == (7, 12)  # rows 7, 8, 9 and 9, 10, 11
    up = next(layer for layer in layers if layer.kind == "upsample")
    assert up.rows_needed(4, 6) == (1, 4)  # row 4 lies between 1 and 2, row 5 between 2 and 3


class Odd(Generator):
    def __init__(self, network):
        super().__init__(stride=1, mean=(0.0,) * 3, std=(1.0,) * 3)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.network = network.__get__(self)

    def network(self, x):
        raise AssertionError("replaced")


@pytest.mark.parametrize(
    ("network", "what"),
    [
        (lambda self, x: F.avg_pool2d(x, 2), "avg_pool2d"),
        (lambda self, x: F.interpolate(x, scale_factor=1.5, mode="bilinear"), "upsample"),
        (lambda self, x: x + F.conv2d(x, self.conv.weight, None, (2, 2), (1, 1), (1, 1), 1), "sum"),
        (lambda self, x: torch.cat([x, x], dim=2), "concatenation"),
        (lambda self, x: self.conv(x) if x.size(2) else x, "height or width"),
        (lambda self, x: nn.Conv2d(3, 3, 3, groups=3)(x), "grouped"),
        (lambda self, x: F.pad(x, (1, 1, 1, 1), "circular"), "reflection"),
        (
            lambda self, x: F.relu(F.pad(x, (1, 1, 1, 1), "reflect")),
            "without a convolution",
        ),
        (lambda self, x: self.conv(F.pad(x, (1, 1, 1, 1), "reflect")), "padded"),
        (lambda self, x: nn.Conv2d(3, 3, 3, padding=(1, 2))(x), "padded"),
        (lambda self, x: nn.Conv2d(3, 3, 3)(x), "padded"),
        (lambda self, x: F.relu(self.conv(x), inplace=True), "in place"),
        (lambda self, x: x + 1, "sum"),
        (lambda self, x: F.interpolate(x, scale_factor=2.0, mode="bilinear"), "above the picture"),
    ],
)
def test_what_cannot_be_read_is_named(network, what):
    with pytest.raises(NotImplementedError, match=what):
        read_layers(Odd(network))

import torch

from hrstyle.generator import paper


def conv(i, o, k):
    return k * k * i * o + o


def bottleneck(i, o, width):
    """Parameters of a bottleneck's convolutions, counted from its description."""
    total = conv(i, width, 1) + conv(width, width, 3) + conv(width, o, 1)
    return total + (conv(i, o, 1) if i != o else 0)


def test_parameter_count_follows_from_the_description():
    channels = [(3, 16), (16, 32), (32, 32), (32, 32), (64, 64), (192, 64), (64, 32), (32, 16)]
    expected = sum(bottleneck(i, o, o // 4) for i, o in channels)
    expected += conv(16, 32, 3) + 3 * conv(32, 32, 3) + conv(16, 3, 3)
    assert sum(p.numel() for p in paper().parameters()) == expected == 64607


def test_stages_have_the_shapes_of_the_description():
    generator = paper()
    shapes = {}
    for name, module in generator.named_modules():
        module.register_forward_hook(lambda m, i, o, name=name: shapes.update({name: o.shape[1:]}))
    generator(torch.rand(1, 3, 64, 48))
    full, half, quarter = (64, 48), (32, 24), (16, 12)
    expected = {
        "full1": (16, *full),
        "full2": (32, *full),
        "full1_to_half": (32, *half),
        "full3": (32, *full),
        "half3": (32, *half),
        "full2_to_half": (32, *half),
        "full2_to_quarter": (32, *quarter),
        "half2_to_quarter": (32, *quarter),
        "full4": (64, *full),
        "fused.0": (64, *full),
        "fused.1": (32, *full),
        "fused.2": (16, *full),
        "fused.3": (3, *full),
    }
    assert {name: tuple(shapes[name]) for name in expected} == expected

import torch
import torch.nn.functional as F
from torch import nn

from hrstyle.engine.layers import read_layers
from hrstyle.engine.moments import Moments, fold
from hrstyle.generator import pyramid


def test_moments_of_bands_are_those_of_the_whole():
    torch.manual_seed(0)
    values = 1000 + 0.1 * torch.randn(2, 3, 40, 17)  # a mean that would swallow the variance
    moments = Moments()
    for start, end in ((0, 1), (1, 18), (18, 40)):
        moments.update(values[:, :, start:end])
    variance, mean = torch.var_mean(values.double(), dim=(2, 3), correction=0, keepdim=True)
    assert torch.allclose(moments.mean, mean, rtol=1e-7)
    assert torch.allclose(moments.squares / moments.count, variance, rtol=1e-3)


def test_folding_a_norm_into_its_convolution():
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 5, 3), nn.InstanceNorm2d(5, affine=True)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.rand(1, 3, 20, 20)
    moments = Moments()
    moments.update(conv(x).detach())
    layers = read_layers(pyramid().eval())
    layer = next(layer for layer in layers if layer.kind == "conv")
    layer.settings.update(weight=conv.weight, bias=conv.bias)
    last = next(layer for layer in layers if layer.kind == "norm")
    last.settings.update(weight=norm.weight, bias=norm.bias, eps=norm.eps)
    weight, bias = fold(layer, *moments.scale_and_shift(last))
    assert torch.allclose(F.conv2d(x, weight, bias), norm(conv(x)), atol=1e-4)

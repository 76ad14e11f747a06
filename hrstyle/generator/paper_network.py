"""The network of arXiv 1904.11617, layer by layer."""

import torch
from torch import Tensor, nn

from hrstyle.generator.base import Bottleneck, Generator, upsample


class PaperHRNet(Generator):
    """The network of arXiv 1904.11617, figure 2, as in its well-known PyTorch port.

    It has zero padding, InstanceNorm without learnt scale, and strided convolutions without norm or
    activation. Two things are not from the paper, which leaves them open: values are normalised by
    ImageNet's statistics, and pictures are padded to a multiple of 4.
    """

    def __init__(self) -> None:
        super().__init__(stride=4, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
        self.config = {"name": "paper"}

        def bottleneck(in_channels: int, out_channels: int) -> Bottleneck:
            width = out_channels // 4
            return Bottleneck(in_channels, out_channels, width, affine=False, padding_mode="zeros")

        def strided(in_channels: int, stride: int) -> nn.Conv2d:
            return nn.Conv2d(in_channels, 32, 3, stride, padding=1)

        self.full1 = bottleneck(3, 16)
        self.full2 = bottleneck(16, 32)
        self.full1_to_half = strided(16, 2)
        self.full3 = bottleneck(32, 32)
        self.half3 = bottleneck(32, 32)
        self.full2_to_half = strided(32, 2)
        self.full2_to_quarter = strided(32, 4)
        self.half2_to_quarter = strided(32, 2)
        self.full4 = bottleneck(64, 64)
        self.fused = nn.Sequential(
            bottleneck(192, 64),
            bottleneck(64, 32),
            bottleneck(32, 16),
            nn.Conv2d(16, 3, 3, padding=1),
        )

    def network(self, x: Tensor) -> Tensor:
        full1 = self.full1(x)
        full2 = self.full2(full1)
        half2 = self.full1_to_half(full1)
        full3 = torch.cat([self.full3(full2), upsample(half2, 2)], dim=1)
        half3 = torch.cat([self.full2_to_half(full2), self.half3(half2)], dim=1)
        quarter3 = torch.cat([self.full2_to_quarter(full2), self.half2_to_quarter(half2)], dim=1)
        full4 = [self.full4(full3), upsample(half3, 2), upsample(quarter3, 4)]
        return self.fused(torch.cat(full4, dim=1))


def paper() -> PaperHRNet:
    """The paper's network: 65 k parameters, 35 k multiply-adds per pixel, receptive field 23 px."""
    return PaperHRNet()

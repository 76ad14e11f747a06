"""`Pyramid`, the default network: an encoder to coarse resolutions and a decoder with skips."""

import reprlib
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from hrstyle.errors import InputError
from hrstyle.generator.base import Bottleneck, Generator, Noise, conv_norm, upsample

LEVELS, CHANNELS, BLOCKS = 8, 4096, 32
"""Limits of a `Pyramid`: number of resolutions, of channels and of bottlenecks at each of them."""


class Pyramid(Generator):
    """Encoder and decoder with skip connections, like a U-Net whose skips are added.

    Encoder: at full resolution a thin stem, which keeps edges sharp; at each coarser resolution a
    strided 3x3 convolution and then bottlenecks. Decoder: a 1x1 convolution reduces the coarse
    features to the channels of the finer resolution; they are upsampled, added to the encoder's
    features, and refined by one bottleneck, except at full resolution. The 1x1 convolution comes
    before the upsampling: the two commute (bilinear weights sum to one), and this order computes 4
    times fewer pixels.

    InstanceNorm follows each change of resolution and the 3x3 convolution of each bottleneck. More
    norms cost time and memory and do not paint better (compared in scripts/README.md). `Noise` is
    added at 1/4 resolution and coarser.

    Args:
        channels: channels at full, 1/2, 1/4, ... resolution; `len(channels)` resolutions in all.
        blocks: bottlenecks at 1/2, 1/4, ... resolution on the way down.
    """

    def __init__(self, *, channels: Sequence[int], blocks: Sequence[int]):
        if (
            not 2 <= len(channels) <= LEVELS
            or len(blocks) != len(channels) - 1
            or not 2 <= min(channels) <= max(channels) <= CHANNELS
            or not 0 <= min(blocks) <= max(blocks) <= BLOCKS
        ):
            raise InputError(
                f"generator: channels={reprlib.repr(list(channels))} (2 to {LEVELS} numbers from 2"
                f" to {CHANNELS}) needs one number of blocks (0 to {BLOCKS}) for each resolution"
                f" after the first, not blocks={reprlib.repr(list(blocks))}"
            )
        super().__init__(stride=2 ** len(blocks), mean=(0.5,) * 3, std=(0.25,) * 3)
        self.config = {"name": "pyramid", "channels": list(channels), "blocks": list(blocks)}
        kind: dict[str, Any] = {"affine": True, "padding_mode": "reflect"}

        def bottleneck(width: int) -> Bottleneck:
            return Bottleneck(width, width, width // 2, norms=(False, True, False), **kind)

        def noise(level: int, width: int) -> list[nn.Module]:
            # The periods are 253 and 251 at the default depth. They have no common factor, so the
            # two patterns together repeat only after more rows than any picture has.
            return [Noise(width, period=256 - 2 * level + 1)] if level > 1 else []

        steps = list(zip(channels[:-1], channels[1:], blocks, strict=True))
        self.stem = nn.Sequential(conv_norm(3, channels[0], 3, norm=False, **kind), nn.ReLU())
        self.down = nn.ModuleList(
            nn.Sequential(
                conv_norm(fine, coarse, 3, stride=2, **kind),
                *noise(level, coarse),
                nn.ReLU(),
                *(bottleneck(coarse) for _ in range(count)),
            )
            for level, (fine, coarse, count) in enumerate(steps, start=1)
        )
        self.fuse = nn.ModuleList(conv_norm(coarse, fine, 1, **kind) for fine, coarse, _ in steps)
        self.refine = nn.ModuleList(bottleneck(fine) for fine, _, _ in steps[1:])
        self.to_rgb = nn.Conv2d(channels[0], 3, 3, padding=1, padding_mode="reflect")

    def network(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(x)
        for level in reversed(range(len(self.down))):
            x = F.relu(skips.pop() + upsample(self.fuse[level](x), 2))
            if level:
                x = self.refine[level - 1](x)
        return self.to_rgb(x)


def pyramid(
    channels: Sequence[int] = (8, 32, 64, 128), blocks: Sequence[int] = (1, 4, 5)
) -> Pyramid:
    """The default: 449 k parameters, 13.6 k multiply-adds per pixel, receptive field 165 px."""
    return Pyramid(channels=channels, blocks=blocks)

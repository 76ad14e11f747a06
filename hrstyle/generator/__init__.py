"""The networks that repaint a photo in one forward pass.

`base` has what every one of them shares and the parts that they are built from, `pyramid_network`
the one that is trained unless told otherwise, and `paper_network` that of arXiv 1904.11617. What
says how a network is kept in a file is `hrstyle.checkpoint`.
"""

from hrstyle.generator.base import (
    Bottleneck,
    Generator,
    Noise,
    PaddingMode,
    add_noise,
    conv_norm,
    noise_rows,
    pad_to_multiple,
    upsample,
)
from hrstyle.generator.paper_network import PaperHRNet, paper
from hrstyle.generator.pyramid_network import Pyramid, pyramid

__all__ = [
    "Bottleneck",
    "Generator",
    "Noise",
    "PaddingMode",
    "PaperHRNet",
    "Pyramid",
    "add_noise",
    "conv_norm",
    "noise_rows",
    "pad_to_multiple",
    "paper",
    "pyramid",
    "upsample",
]

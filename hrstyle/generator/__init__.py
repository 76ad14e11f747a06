"""The networks that repaint a photo in one forward pass.

`base` defines `Generator`, the class of all networks, and the blocks that they are built from.
`pyramid_network` is the default network, and `paper_network` that of arXiv 1904.11617. `colours`
gives a trained network's results the painting's colours. `hrstyle.checkpoint` writes networks to
files and reads them.
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

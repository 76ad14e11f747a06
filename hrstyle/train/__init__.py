"""Training a style: `hrstyle train style=starry_night`, or `train(...)` from Python.

`run` is one training run from start to end, and `module` its LightningModule. `data` reads the
photos, `start` finds the initial weights, and `callbacks` writes previews and checkpoints. `shared`
trains several styles in one network. `__main__` composes the settings with Hydra. `memory` speeds
up steps on a CPU.
"""

from hrstyle.train import data
from hrstyle.train.data import PhotoData
from hrstyle.train.module import StyleTransfer
from hrstyle.train.run import train

__all__ = ["PhotoData", "StyleTransfer", "data", "train"]

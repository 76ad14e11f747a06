"""Training: `python -m hrstyle.train style=starry_night`, or from Python `train(...)`."""

from hrstyle.train import data
from hrstyle.train.data import PhotoData
from hrstyle.train.module import StyleTransfer
from hrstyle.train.run import train

__all__ = ["PhotoData", "StyleTransfer", "data", "train"]

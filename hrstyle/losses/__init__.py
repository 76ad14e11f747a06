"""The loss: a repaint should have the painting's style and keep the photo's content.

Each term has a module, with a function for its formula and a class (`term`) for its weight and
targets. `perceptual` computes the weighted sum of terms, and `objectives` are the predefined sums.
Terms compare features of `vgg`, a frozen VGG19, whose convolutions `winograd` makes fast on CPUs.
"""

from hrstyle.losses.colour_layout import ColourLayout, colour_layout_loss
from hrstyle.losses.content import Content, content_loss
from hrstyle.losses.gram import Gram, gram_loss, gram_matrix
from hrstyle.losses.moments import Moments, mean_and_covariance, moment_loss
from hrstyle.losses.objectives import OBJECTIVES, build
from hrstyle.losses.perceptual import PerceptualLoss
from hrstyle.losses.self_similarity import SelfSimilarity, self_similarity_loss
from hrstyle.losses.term import (
    IMAGE,
    STYLE_LAYERS,
    Features,
    PhotoTerm,
    ResultTerm,
    StyleTerm,
    Term,
)
from hrstyle.losses.total_variation import TotalVariation, total_variation
from hrstyle.losses.transport import Transport, transport_loss
from hrstyle.losses.vgg import VGG19

__all__ = [
    "IMAGE",
    "OBJECTIVES",
    "STYLE_LAYERS",
    "VGG19",
    "ColourLayout",
    "Content",
    "Features",
    "Gram",
    "Moments",
    "PerceptualLoss",
    "PhotoTerm",
    "ResultTerm",
    "SelfSimilarity",
    "StyleTerm",
    "Term",
    "TotalVariation",
    "Transport",
    "build",
    "colour_layout_loss",
    "content_loss",
    "gram_loss",
    "gram_matrix",
    "mean_and_covariance",
    "moment_loss",
    "self_similarity_loss",
    "total_variation",
    "transport_loss",
]

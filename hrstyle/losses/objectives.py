"""The objectives that come along, by name: `loss=painterly` and `loss=gram`."""

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

from hrstyle.errors import InputError
from hrstyle.losses.colour_layout import ColourLayout
from hrstyle.losses.content import Content
from hrstyle.losses.gram import Gram
from hrstyle.losses.moments import Moments
from hrstyle.losses.perceptual import PerceptualLoss
from hrstyle.losses.self_similarity import SelfSimilarity
from hrstyle.losses.term import STYLE_LAYERS, Term
from hrstyle.losses.total_variation import TotalVariation
from hrstyle.losses.transport import Transport

_NEAR = STYLE_LAYERS[:4]
"""Without relu5_1: at half size relu4_1 sees as far, for half the work."""


def painterly(
    *,
    content_weight: float = 2.0,
    self_similarity_weight: float = 4.0,
    colour_layout_weight: float = 1.5,
    moments_weight: float = 3.0,
    transport_weight: float = 10.0,
    tv_weight: float = 0.0,
    half_size: float = 1.0,
    more: Sequence[Term] = (),
    **settings: Any,
) -> PerceptualLoss:
    """Paint over everything, in all of the painting's colours, with the photo's shapes kept.

    Args:
        content_weight: see `Content`. The more, the more of small people and of text is left.
        self_similarity_weight: see `SelfSimilarity`. The more, the clearer are the shapes.
        colour_layout_weight: see `ColourLayout`. The more, the fewer spots and islands.
        moments_weight: see `Moments`. The more, the richer are strokes and colours.
        transport_weight: see `Transport`. The more, the fewer places stay unpainted.
        tv_weight: see `TotalVariation`.
        half_size: how much self-similarity, moments and transport count once more at half size,
            where they see what is twice as large: flow that turns around things. 0: not at all.
        more: further terms.
        settings: keywords of `PerceptualLoss`.
    """

    def at(scale: int, share: float) -> list[Term]:
        return [
            SelfSimilarity(share * self_similarity_weight, scale=scale),
            Moments(share * moments_weight, _NEAR, scale=scale),
            Transport(share * transport_weight, scale=scale),
        ]

    terms = [
        Content(content_weight, ("relu4_1",)),
        ColourLayout(colour_layout_weight),
        TotalVariation(tv_weight),
        *at(1, 1.0),
        *at(2, half_size),
        *more,
    ]
    return PerceptualLoss(terms, **settings)


def gram(
    *,
    content_weight: float = 1.0,
    gram_weight: float = 6.0,
    tv_weight: float = 0.0,
    content_layers: Sequence[str] = ("relu4_2",),
    style_layers: Sequence[str] = STYLE_LAYERS,
    style_layer_weights: Sequence[float] | None = None,
    normalisation: str = "relative",
    more: Sequence[Term] = (),
    **settings: Any,
) -> PerceptualLoss:
    """Content and Gram matrices, after Johnson et al. (ECCV 2016).

    Args:
        content_weight: see `Content`.
        gram_weight: see `Gram`. With relative terms and a content weight of 1, from 2 (the photo
            shines through) to 20 (heavy strokes) is the useful range.
        tv_weight: see `TotalVariation`.
        content_layers: VGG19 layers that compare content; their terms are averaged.
        style_layers: VGG19 layers that compare style.
        style_layer_weights: see `Gram`.
        normalisation: `"relative"`, each term divided by the size of its target, so that one pair
            of weights serves every style, picture size and VGG; or `"paper"`, the formulas of arXiv
            1904.11617.
        more: further terms.
        settings: keywords of `PerceptualLoss`.
    """
    how: dict[str, Any] = {"normalisation": normalisation}
    terms = [
        Content(content_weight, content_layers, **how),
        Gram(gram_weight, style_layers, layer_weights=style_layer_weights, **how),
        TotalVariation(tv_weight),
        *more,
    ]
    return PerceptualLoss(terms, **settings)


OBJECTIVES: dict[str, Callable[..., PerceptualLoss]] = {"painterly": painterly, "gram": gram}
"""By name; the first is the default."""


def build(name: str = "painterly", **settings: Any) -> PerceptualLoss:
    """One of `OBJECTIVES`, with keywords of its own or of `PerceptualLoss`.

    Raises:
        InputError: no such objective, or a keyword that it does not have; see also there.
    """
    if name not in OBJECTIVES:
        raise InputError(f"loss={name!r} must be one of {', '.join(OBJECTIVES)}")
    known = {
        *signature(OBJECTIVES[name]).parameters,
        *signature(PerceptualLoss).parameters,
    } - {"settings", "terms"}
    if unknown := sorted(settings.keys() - known):
        raise InputError(
            f"loss={name} has no {', '.join(unknown)}; it has {', '.join(sorted(known))}"
        )
    return OBJECTIVES[name](**settings)

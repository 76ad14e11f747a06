"""The predefined objectives, by name: `loss=painterly` and `loss=gram`."""

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

_MOMENT_LAYERS = STYLE_LAYERS[:4]
"""Layers for moments. relu4_1 at half size covers as many pixels as relu5_1, for half the work."""


def painterly(
    *,
    content_weight: float = 2.0,
    self_similarity_weight: float = 4.0,
    colour_layout_weight: float = 1.5,
    moments_weight: float = 3.0,
    transport_weight: float = 10.0,
    tv_weight: float = 0.0,
    half_size_weight: float = 1.0,
    more_terms: Sequence[Term] = (),
    **settings: Any,
) -> PerceptualLoss:
    """The default: paint every area, in all of the painting's colours, and keep the photo's shapes.

    Args:
        content_weight: see `Content`. Higher keeps more of small figures and text.
        self_similarity_weight: see `SelfSimilarity`. Higher gives clearer shapes.
        colour_layout_weight: see `ColourLayout`. Higher gives fewer spots of foreign colour.
        moments_weight: see `Moments`. Higher gives richer strokes and colours.
        transport_weight: see `Transport`. Higher leaves fewer areas unpainted.
        tv_weight: see `TotalVariation`.
        half_size_weight: weight of self-similarity, moments and transport at half size, relative to
            full size. At half size they see structures twice as large, such as flow around objects.
            0 leaves these terms out.
        more_terms: additional terms.
        settings: keywords of `PerceptualLoss`.
    """

    def at(scale: int, share: float) -> list[Term]:
        return [
            SelfSimilarity(share * self_similarity_weight, scale=scale),
            Moments(share * moments_weight, _MOMENT_LAYERS, scale=scale),
            Transport(share * transport_weight, scale=scale),
        ]

    terms = [
        Content(content_weight, ("relu4_1",)),
        ColourLayout(colour_layout_weight),
        TotalVariation(tv_weight),
        *at(1, 1.0),
        *at(2, half_size_weight),
        *more_terms,
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
    more_terms: Sequence[Term] = (),
    **settings: Any,
) -> PerceptualLoss:
    """Content and Gram matrices, after Johnson et al. (ECCV 2016).

    Args:
        content_weight: see `Content`.
        gram_weight: see `Gram`. With relative normalisation and a content weight of 1, the useful
            range is from 2 (the photo shines through) to 20 (heavy strokes).
        tv_weight: see `TotalVariation`.
        content_layers: VGG19 layers for content; their losses are averaged.
        style_layers: VGG19 layers for style.
        style_layer_weights: see `Gram`.
        normalisation: `"relative"` divides each term by its target's squared norm, so that the same
            weights suit every style, picture size and VGG19. `"paper"` takes the formulas of arXiv
            1904.11617.
        more_terms: additional terms.
        settings: keywords of `PerceptualLoss`.
    """
    how: dict[str, Any] = {"normalisation": normalisation}
    terms = [
        Content(content_weight, content_layers, **how),
        Gram(gram_weight, style_layers, layer_weights=style_layer_weights, **how),
        TotalVariation(tv_weight),
        *more_terms,
    ]
    return PerceptualLoss(terms, **settings)


OBJECTIVES: dict[str, Callable[..., PerceptualLoss]] = {"painterly": painterly, "gram": gram}
"""The functions that build the objectives, by name; the first is the default."""


def build(name: str = "painterly", **settings: Any) -> PerceptualLoss:
    """Build one of `OBJECTIVES` with keywords of its own or of `PerceptualLoss`.

    Raises:
        InputError: an unknown objective or keyword; see also `PerceptualLoss`.
    """
    if name not in OBJECTIVES:
        raise InputError(f"loss={name!r} must be one of {', '.join(OBJECTIVES)}")
    keywords = {
        *signature(OBJECTIVES[name]).parameters,
        *signature(PerceptualLoss).parameters,
    } - {"settings", "terms"}
    if unknown := sorted(settings.keys() - keywords):
        raise InputError(
            f"loss={name} has no {', '.join(unknown)}; it has {', '.join(sorted(keywords))}"
        )
    return OBJECTIVES[name](**settings)

"""`PerceptualLoss`: the training objective, a weighted sum of terms.

`hrstyle.losses.objectives` has the predefined sums; `PerceptualLoss` takes any terms. VGG19 is
computed once per picture and scale, for all terms of that scale together.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrstyle.errors import InputError
from hrstyle.losses.term import IMAGE, Features, PhotoTerm, StyleTerm, Term
from hrstyle.losses.vgg import SMALLEST, VGG19

FeaturesByScale = Mapping[int, Features]
"""Features of a picture by scale, see `Term`."""


class PerceptualLoss(nn.Module):
    """The weighted sum of terms; after Gatys et al. (CVPR 2016) and Johnson et al. (ECCV 2016).

    Call `set_style` once, then the module on each batch. No term mixes the pictures of a batch.
    Terms are computed in float32, whatever the dtype of VGG19. Terms that sample positions draw
    them by torch's global generator, so a seed reproduces them.

    Args:
        terms: the terms. Terms of weight 0 are left out.
        style_weight: factor for the weights of all `StyleTerm`s, to balance a single style. 1 is
            normal, 0.3 lets the photo shine through, and 3 loses small objects.
        vgg_weights, vgg_preprocessing, pooling, padding: the loss network, see `VGG19`.

    Raises:
        InputError: see `VGG19`; no terms, two terms of one name and scale, or an impossible weight.
    """

    def __init__(
        self,
        terms: Iterable[Term],
        *,
        style_weight: float = 1.0,
        vgg_weights: str = "caffe",
        vgg_preprocessing: str | None = None,
        pooling: str = "max",
        padding: str = "replicate",
    ):
        super().__init__()
        found = [term for term in terms if term.weight]
        if not found or len({term.log_name for term in found}) < len(found):
            names = ", ".join(term.log_name for term in found) or "none of a weight above 0"
            raise InputError(
                f"an objective needs terms, each of another name or scale, not {names}"
            )
        if not 0 <= style_weight < math.inf:
            raise InputError(f"style_weight={style_weight} must be a number of at least 0")
        self.terms = nn.ModuleDict({term.log_name: term for term in found})
        self.style_weight = style_weight
        layers = {layer for term in found for layer in term.layers} - {IMAGE}
        self.vgg = VGG19(
            sorted(layers) or ["conv1_1"],
            weights=vgg_weights,
            preprocessing=vgg_preprocessing,
            pooling=pooling,
            padding=padding,
        )
        self.style_term_names: frozenset[str] | None = None

    @property
    def weights(self) -> dict[str, float]:
        """The factor of each term in the sum, by the term's `log_name`."""
        return {
            name: term.weight * (self.style_weight if isinstance(term, StyleTerm) else 1)
            for name, term in self._named_terms()
        }

    def _named_terms(self) -> Iterable[tuple[str, Term]]:
        return self.terms.items()  # type: ignore[return-value]  # a ModuleDict of Terms

    def _features(self, image: Tensor, terms: Iterable[Term]) -> dict[int, dict[str, Tensor]]:
        """Features for these terms, by scale; without scales at which the picture is too small."""
        wanted: dict[int, set[str]] = {}
        for term in terms:
            wanted.setdefault(term.scale, set()).update(term.layers)
        found = {}
        for scale, layers in wanted.items():
            if scale > 1 and min(image.shape[2:]) < SMALLEST * scale:
                continue
            seen = F.avg_pool2d(image, scale) if scale > 1 else image
            found[scale] = {IMAGE: seen}
            if layers - {IMAGE}:
                found[scale] |= self.vgg(seen, layers)
        return found

    @torch.no_grad()
    def style_targets(
        self, *images: Tensor, shares: Sequence[float] | None = None
    ) -> dict[str, Tensor]:
        """The targets of all style terms for one painting, or for a blend of several.

        Args:
            images: paintings `(1, 3, H, W)`, RGB in [0, 1]. Strokes of the result become as large
                in pixels as they are here.
            shares: share of each painting; None: all equal. See `StyleTerm.blend`.

        Returns:
            The targets, by `<term>/<target>`.

        Raises:
            InputError: shares that do not fit the images, or images of another shape.
        """
        for image in images:
            if not (isinstance(image, Tensor) and image.ndim == 4 and len(image) == 1):
                raise InputError(
                    "a style must be tensors (1, 3, H, W), each an argument of its own, or what"
                    f" style_targets gives, not {_described(image)}"
                )
        shares = [1.0] * len(images) if shares is None else shares
        if len(shares) != len(images) or not all(0 < share < math.inf for share in shares):
            raise InputError(
                f"the shares {list(shares)} must be {len(images)} numbers above 0, one a picture"
            )
        terms = [term for _, term in self._named_terms() if isinstance(term, StyleTerm)]
        parts: dict[str, list[tuple[Tensor, float]]] = {}
        for image, share in zip(images, shares, strict=True):
            features = self._features(image.to(self.vgg.mean.device), terms)
            for term in terms:
                if term.scale in features:
                    for name, target in term.targets(features[term.scale]).items():
                        parts.setdefault(f"{term.log_name}/{name}", []).append((target, share))
        blended = {}
        for name, weighted in parts.items():
            style_term = self.terms[name.partition("/")[0]]
            assert isinstance(style_term, StyleTerm)
            targets, counts = zip(*weighted, strict=True)
            blended[name] = style_term.blend(targets, [count / sum(counts) for count in counts])
        return blended

    def set_style(
        self, *style: Tensor | Mapping[str, Tensor], shares: Sequence[float] | None = None
    ) -> None:
        """Set the style to one or several paintings, or to what `style_targets` returned for them.

        Without arguments, style terms are left out of the loss.

        Raises:
            InputError: see `style_targets`; shares together with finished targets, or targets of an
                unknown term.
        """
        if len(style) == 1 and isinstance(style[0], Mapping):
            if shares is not None:
                raise InputError("shares go with pictures; these targets already have theirs")
            targets: Mapping[str, Tensor] = style[0]
        else:
            targets = self.style_targets(*style, shares=shares)  # type: ignore[arg-type]
        by_term: dict[str, dict[str, Tensor]] = {}
        for key, target in targets.items():
            log_name, _, name = key.partition("/")
            by_term.setdefault(log_name, {})[name] = target
        terms = {name: term for name, term in self._named_terms() if isinstance(term, StyleTerm)}
        if unknown := by_term.keys() - terms.keys():
            raise InputError(
                f"there is no style term {', '.join(sorted(unknown))} to give targets to; there"
                f" are {', '.join(terms) or 'none'}"
            )
        for log_name, found in by_term.items():
            terms[log_name].set_targets(found)
        self.style_term_names = frozenset(by_term)

    @torch.no_grad()
    def photo_features(self, photo: Tensor) -> dict[int, dict[str, Tensor]]:
        """The photo's features for `forward`, to compute them once for several calls.

        The photo is `(N, 3, H, W)`, RGB in [0, 1].
        """
        return self._features(
            photo, [t for _, t in self._named_terms() if isinstance(t, PhotoTerm)]
        )

    def forward(self, image: Tensor, photo: Tensor | FeaturesByScale | None) -> dict[str, Tensor]:
        """The loss of the result `image` for `photo`, both `(N, 3, H, W)`, RGB in [0, 1].

        Args:
            image: the result.
            photo: the photo, or its `photo_features`; None leaves `PhotoTerm`s out.

        Returns:
            Scalars: `loss`, the weighted sum to minimise, and the unweighted value of each term
            that is not left out, by its `log_name`.
        """
        if self.style_term_names is None:
            raise RuntimeError("PerceptualLoss has no style yet: call set_style(image) first")
        target = self.photo_features(photo) if isinstance(photo, Tensor) else photo or {}
        terms = {
            name: term
            for name, term in self._named_terms()
            if (not isinstance(term, PhotoTerm) or term.scale in target)
            and (not isinstance(term, StyleTerm) or name in self.style_term_names)
        }
        features = self._features(image, terms.values())
        weights = self.weights
        values = {}
        loss = image.new_zeros((), dtype=torch.float32)
        for name, term in terms.items():
            if term.scale not in features:
                continue
            seen = features[term.scale]
            if isinstance(term, PhotoTerm):
                values[name] = term(seen, target[term.scale])
            else:
                values[name] = term(seen)
            loss = loss + weights[name] * values[name]
        return {"loss": loss, **values}


def _described(style: object) -> str:
    """Shape or type of an argument, for an error message."""
    return f"{tuple(style.shape)}" if isinstance(style, Tensor) else type(style).__name__

"""The objective: what a good repaint of a photo is, as a weighted sum of terms.

`painterly`, `gram` and `paper` build the objectives that come along; `PerceptualLoss` takes any
terms. VGG19 is computed once for each size at which terms look.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrstyle.errors import InputError
from hrstyle.losses.term import IMAGE, Features, PhotoTerm, StyleTerm, Term
from hrstyle.losses.vgg import SMALLEST, VGG19

Scales = Mapping[int, Features]
"""Features of a picture for each scale at which terms look at it, see `Term`."""


class PerceptualLoss(nn.Module):
    """The weighted sum of terms; after Gatys et al. (CVPR 2016) and Johnson et al. (ECCV 2016).

    Call `set_style` once, then the module on each batch. Each picture is treated on its own and
    all terms are computed in float32, whatever precision VGG19 has. Terms that look at some places
    only draw them by torch's generator: one seed gives the same places.

    Args:
        terms: the terms. Those of weight 0 are left out.
        style_weight: how heavily the photo is painted, for one style: multiplies the weights of all
            `StyleTerm`s. 1 is balanced; 0.5 lets the photo shine through, 2 loses small things.
        vgg_weights, vgg_preprocessing, pooling, padding: the loss network, see `VGG19`.

    Raises:
        InputError: see `VGG19`; no terms, two of one name, or an impossible weight.
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
            raise InputError(f"an objective needs terms, each name and scale once, not {names}")
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
        """What each term is multiplied by, by its name in logs."""
        return {
            name: term.weight * (self.style_weight if isinstance(term, StyleTerm) else 1)
            for name, term in self._all()
        }

    def _all(self) -> Iterable[tuple[str, Term]]:
        return self.terms.items()  # type: ignore[return-value]  # a ModuleDict of Terms

    def _features(self, image: Tensor, terms: Iterable[Term]) -> dict[int, dict[str, Tensor]]:
        """What these terms look at; a scale that leaves too few pixels for VGG19 is left out."""
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
        """What `set_style` keeps of a painting, or of several.

        Args:
            images: `(1, 3, H, W)` each, RGB in [0, 1], at the size of its strokes.
            shares: how much each counts; None: all the same. See `StyleTerm.blend`.

        Returns:
            The targets of the terms, as `<term>/<target>`.

        Raises:
            InputError: shares that do not fit the images, or what is no such image.
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
        terms = [term for _, term in self._all() if isinstance(term, StyleTerm)]
        parts: dict[str, list[tuple[Tensor, float]]] = {}
        for image, share in zip(images, shares, strict=True):
            features = self._features(image.to(self.vgg.mean.device), terms)
            for term in terms:
                if term.scale in features:
                    for name, target in term.targets(features[term.scale]).items():
                        parts.setdefault(f"{term.log_name}/{name}", []).append((target, share))
        blended = {}
        for name, known in parts.items():
            asked = self.terms[name.partition("/")[0]]
            assert isinstance(asked, StyleTerm)
            targets, counts = zip(*known, strict=True)
            total = sum(counts)
            one = len(targets) == 1
            blended[name] = (
                targets[0] if one else asked.blend(targets, [count / total for count in counts])
            )
        return blended

    def set_style(
        self, *style: Tensor | Mapping[str, Tensor], shares: Sequence[float] | None = None
    ) -> None:
        """Make one or several paintings the target, see `style_targets`, or their `style_targets`.

        Without any there are no style terms.

        Raises:
            InputError: see `style_targets`; shares beside finished targets, or targets of a term
                that there is not.
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
        terms = {name: term for name, term in self._all() if isinstance(term, StyleTerm)}
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
        """What `forward` compares with, of a photo `(N, 3, H, W)`; worth keeping to use again."""
        return self._features(photo, [t for _, t in self._all() if isinstance(t, PhotoTerm)])

    def forward(self, image: Tensor, photo: Tensor | Scales | None) -> dict[str, Tensor]:
        """The loss of repainting `photo` as `image`, both `(N, 3, H, W)`, RGB in [0, 1].

        Args:
            image: the result to judge.
            photo: the photo, or its `photo_features`; None leaves the terms of the photo out.

        Returns:
            Scalars: `loss`, the weighted sum to minimise, and each term's unweighted value by its
            name. Terms that are left out have none.
        """
        if self.style_term_names is None:
            raise RuntimeError("PerceptualLoss has no style yet: call set_style(image) first")
        target = self.photo_features(photo) if isinstance(photo, Tensor) else photo or {}
        terms = {
            name: term
            for name, term in self._all()
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
    """What was given for a style, in a few words."""
    return f"{tuple(style.shape)}" if isinstance(style, Tensor) else type(style).__name__

"""What a good repaint is: near the photo in content, near the painting in style.

After Gatys, Ecker & Bethge ("Image Style Transfer Using Convolutional Neural Networks", CVPR 2016)
and Johnson, Alahi & Fei-Fei (ECCV 2016). Every function works on a batch, treats each picture on
its own and computes in float32 whatever precision its input came in.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hrstyle.errors import InputError
from hrstyle.nearest import nearest_loss, places_of
from hrstyle.vgg import VGG19

_TINY = 1e-12  # keeps a division by an all-black target finite


def check_normalisation(name: str) -> None:
    """Raise InputError unless `name` is a way to normalise the terms."""
    if name not in ("relative", "paper"):
        raise InputError(f"normalisation must be relative or paper, not {name!r}")


class _Products(torch.autograd.Function):
    """XᵀX / size of `(N, P, C)` features; its gradient is one product instead of two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x.mT @ x).float() / x[0].numel()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return x @ ((gradient + gradient.mT) / x[0].numel()).to(x.dtype)


def gram_matrix(features: Tensor) -> Tensor:
    """Correlations between channels, one matrix per picture.

    Args:
        features: `(N, C, H, W)`; fastest where the channels lie together (channels_last).

    Returns:
        `(N, C, C)`, float32: F Fᵀ / (C·H·W) with F the features as a C × H·W matrix. bfloat16
        features are multiplied as they are, the sums kept in float32 and rounded once; float16,
        which such sums overflow, in float32.
    """
    if features.dtype == torch.float16:
        features = features.float()
    with torch.autocast(features.device.type, enabled=False):
        return _Products.apply(features.permute(0, 2, 3, 1).flatten(1, 2))


def relative_error(value: Tensor, target: Tensor) -> Tensor:
    """‖value − target‖² / ‖target‖² of each picture, averaged over the batch.

    0 is a perfect match and 1 the distance of an all-zero value, whatever the scale. `target` may
    have batch size 1 and then serves every picture.
    """
    value, target = value.float().flatten(1), target.float().flatten(1)
    squares = (value - target).square().sum(1)
    return (squares / target.square().sum(1).clamp_min(_TINY)).mean()


def mean_square(value: Tensor, target: Tensor) -> Tensor:
    """Mean of (value − target)² over everything; `target` may have batch size 1."""
    return (value.float() - target.float()).square().mean()


def content_loss(features: Tensor, target: Tensor, *, normalisation: str = "relative") -> Tensor:
    """Distance between the features of the result and those of the photo, `(N, C, H, W)` each.

    `"relative"`: `relative_error`. `"paper"`: the mean square of arXiv 1904.11617.
    """
    check_normalisation(normalisation)
    distance = relative_error if normalisation == "relative" else mean_square
    return distance(features, target)


def style_loss(features: Tensor, target: Tensor, *, normalisation: str = "relative") -> Tensor:
    """Distance between a layer's Gram matrix and the painting's.

    Args:
        features: `(N, C, H, W)`, of the result.
        target: `(1, C, C)` or `(N, C, C)`, `gram_matrix` of the painting's features.
        normalisation: `"relative"`: `relative_error` of the Gram matrices. `"paper"`: the mean
            square between un-normalised Gram matrices F Fᵀ, divided by C·H·W, as in arXiv
            1904.11617. There photo and painting are squashed to one size; here they keep their own,
            so the painting's matrix is first brought to the area of the result. At one size the two
            agree to the letter.
    """

    check_normalisation(normalisation)
    gram = gram_matrix(features)
    if normalisation == "relative":
        return relative_error(gram, target)
    # With unit = C·H·W the un-normalised matrices are unit·gram and unit·target, and
    # mean((unit·gram − unit·target)²) / unit = unit · mean((gram − target)²).
    return features[0].numel() * mean_square(gram, target)


def total_variation(image: Tensor) -> Tensor:
    """Mean absolute difference between neighbouring pixels, down plus across (Rudin et al. 1992).

    `image` is `(N, C, H, W)`; a side of one pixel has no neighbours and counts as smooth.
    """
    image = image.float()
    differences = (image.diff(dim=-2), image.diff(dim=-1))
    return torch.stack([d.abs().mean() if d.numel() else d.sum() for d in differences]).sum()


class PerceptualLoss(nn.Module):
    """The weighted sum of content, style, total variation and, if asked for, nearest places.

    Call `set_style` once, then the module on each batch. Without a picture of style, or of content,
    its terms are left out: what is then minimised shows what each layer keeps.

    Args:
        content_weight, style_weight, tv_weight: how much each term counts. With relative terms,
            content 1 and style 2 (the photo shines through) to 20 (heavy strokes) is the useful
            range for the paintings tried so far.
        nearest_weight: how much it counts that every place looks like some place of the painting,
            see `hrstyle.nearest`. 10, with content 2.5, lets strokes cover a picture that is
            optimised; networks trained with it were liked less, see scripts/README.md.
        content_layers: VGG19 layers that compare content; their terms are averaged.
        style_layers: VGG19 layers that compare style.
        style_layer_weights: how much each style layer counts; None: all the same. `"relative"`
            takes the weighted mean, so that only their ratios matter; `"paper"` the weighted sum.
        nearest_layers: VGG19 layers whose places are compared; their terms are averaged.
        normalisation: `"relative"`, each term divided by the size of its target, so that one pair
            of weights serves every style, picture size and VGG; or `"paper"`, the formulas of arXiv
            1904.11617.
        vgg_weights, vgg_preprocessing, pooling, padding: the loss network, see `VGG19`.

    Raises:
        InputError: see `VGG19`; or weights that do not fit the layers.
    """

    def __init__(
        self,
        *,
        content_weight: float = 1.0,
        style_weight: float = 6.0,
        tv_weight: float = 0.0,
        nearest_weight: float = 0.0,
        content_layers: Sequence[str] = ("relu4_2",),
        style_layers: Sequence[str] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
        style_layer_weights: Sequence[float] | None = None,
        nearest_layers: Sequence[str] = ("relu3_1", "relu4_1"),
        normalisation: str = "relative",
        vgg_weights: str = "caffe",
        vgg_preprocessing: str | None = None,
        pooling: str = "max",
        padding: str = "replicate",
    ):
        super().__init__()
        for name, weight in [
            ("content_weight", content_weight),
            ("style_weight", style_weight),
            ("tv_weight", tv_weight),
            ("nearest_weight", nearest_weight),
        ]:
            if not 0 <= weight < math.inf:
                raise InputError(f"{name}={weight} must be a number of at least 0")
        if style_layer_weights is None:
            style_layer_weights = [1.0] * len(style_layers)
        repeated = len(set(style_layers)) < len(style_layers)
        if not content_layers or not style_layers or repeated:
            raise InputError(
                f"content_layers={list(content_layers)} and style_layers={list(style_layers)} must"
                " each name a layer, and no style layer twice"
            )
        if nearest_weight and not nearest_layers:
            raise InputError("nearest_layers must name a layer, or nearest_weight be 0")
        if (
            len(style_layer_weights) != len(style_layers)
            or min(style_layer_weights) < 0
            or not 0 < sum(style_layer_weights) < math.inf
        ):
            raise InputError(
                f"style_layer_weights={list(style_layer_weights)} must give one weight of at least"
                f" 0 for each of style_layers={list(style_layers)}, and not all 0"
            )
        check_normalisation(normalisation)
        self.content_weight = content_weight
        self.style_weight = style_weight
        self.tv_weight = tv_weight
        self.nearest_weight = nearest_weight
        self.nearest_layers = tuple(nearest_layers) if nearest_weight else ()
        self.content_layers = tuple(content_layers)
        total = sum(style_layer_weights) if normalisation == "relative" else 1.0
        self.style_layers = {
            layer: weight / total
            for layer, weight in zip(style_layers, style_layer_weights, strict=True)
        }
        self.normalisation = normalisation
        self.vgg = VGG19(
            [*content_layers, *style_layers, *self.nearest_layers],
            weights=vgg_weights,
            preprocessing=vgg_preprocessing,
            pooling=pooling,
            padding=padding,
        )
        self.targets: tuple[str, ...] | None = None

    @torch.no_grad()
    def style_targets(
        self, *images: Tensor, shares: Sequence[float] | None = None
    ) -> dict[str, Tensor]:
        """What `set_style` keeps of a painting, or of several.

        `gram_<layer>` is its Gram matrix, or the mean of those of several; `places_<layer>`, for
        the layers whose nearest places are asked for, its features there, or those of all, whatever
        their shares.

        Args:
            images: `(1, 3, H, W)` each, RGB in [0, 1], at the size of its strokes.
            shares: how much each counts in the mean; None: all the same. To be near the mean is
                what the weighted sum of the losses of all asks for, up to a constant.

        Raises:
            InputError: shares that do not fit the images.
        """
        shares = [1.0] * len(images) if shares is None else shares
        if len(shares) != len(images) or not all(0 < share < math.inf for share in shares):
            raise InputError(
                f"the shares {list(shares)} must be {len(images)} numbers above 0, one a picture"
            )
        grams: dict[str, list[Tensor]] = {layer: [] for layer in self.style_layers}
        places: dict[str, list[Tensor]] = {layer: [] for layer in self.nearest_layers}
        for image, share in zip(images, shares, strict=True):
            features = self.vgg(image.to(self.vgg.mean.device), [*grams, *places])
            for layer, parts in grams.items():
                parts.append(gram_matrix(features[layer]) * (share / sum(shares)))
            for layer, parts in places.items():
                parts.append(places_of(features[layer]))
        if not images:
            return {}
        return {f"gram_{layer}": torch.stack(parts).sum(0) for layer, parts in grams.items()} | {
            f"places_{layer}": torch.cat(parts) for layer, parts in places.items()
        }

    def set_style(
        self, *style: Tensor | Mapping[str, Tensor], shares: Sequence[float] | None = None
    ) -> None:
        """Make one or several paintings the target, see `style_targets`, or their `style_targets`.

        Without any there is neither a style term nor one of nearest places.
        """
        if style and isinstance(style[0], Mapping):
            targets: Mapping[str, Tensor] = style[0]
        else:
            pictures = [picture for picture in style if isinstance(picture, Tensor)]
            targets = self.style_targets(*pictures, shares=shares)
        for name, target in targets.items():
            self.register_buffer(name, target)
        self.targets = tuple(targets)

    @torch.no_grad()
    def content_features(self, content: Tensor) -> dict[str, Tensor]:
        """What `forward` compares with, of a photo `(N, 3, H, W)`; worth keeping to use again."""
        return self.vgg(content, self.content_layers)

    def forward(
        self, image: Tensor, content: Tensor | Mapping[str, Tensor] | None
    ) -> dict[str, Tensor]:
        """The loss of repainting `content` as `image`, both `(N, 3, H, W)`, RGB in [0, 1].

        Args:
            image: the result to judge.
            content: the photo, or its `content_features`; None leaves the content term out.

        Returns:
            Scalars: `loss`, the weighted sum to minimise; the bare terms `content`, `style`,
            `total_variation` and, if asked for, `nearest`; and `style/<layer>`, each style layer's
            bare term. What is left out is 0.
        """
        if self.targets is None:
            raise RuntimeError("PerceptualLoss has no style yet: call set_style(image) first")
        style_layers = self.style_layers if self.targets else ()
        nearest_layers = self.nearest_layers if self.targets else ()
        target = self.content_features(content) if isinstance(content, Tensor) else content or {}
        features = self.vgg(image, [*target, *style_layers, *nearest_layers])
        how = {"normalisation": self.normalisation}
        nothing = image.new_zeros((), dtype=torch.float32)
        content_terms = [content_loss(features[layer], target[layer], **how) for layer in target]
        style_terms = {
            layer: style_loss(features[layer], self.get_buffer(f"gram_{layer}"), **how)
            for layer in style_layers
        }
        nearest_terms = [
            nearest_loss(features[layer], self.get_buffer(f"places_{layer}"))
            for layer in nearest_layers
        ]
        weighted = [self.style_layers[layer] * term for layer, term in style_terms.items()]
        terms = {
            "content": torch.stack(content_terms).mean() if content_terms else nothing,
            "style": torch.stack(weighted).sum() if weighted else nothing,
            "total_variation": total_variation(image),
        }
        loss = (
            self.content_weight * terms["content"]
            + self.style_weight * terms["style"]
            + self.tv_weight * terms["total_variation"]
        )
        if self.nearest_layers:
            terms["nearest"] = torch.stack(nearest_terms).mean() if nearest_terms else nothing
            loss = loss + self.nearest_weight * terms["nearest"]
        by_layer = {f"style/{layer}": term for layer, term in style_terms.items()}
        return {"loss": loss, **terms, **by_layer}

"""Image optimisation: nothing is trained, the pixels themselves are changed until the loss is low.

After Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks" (CVPR 2016),
with the losses of the training. Where we deviate:

- the picture grows while it is optimised, so that large strokes come first and few steps are needed
  (their `coarse to fine` of "Controlling Perceptual Factors in Neural Style Transfer", CVPR 2017);
- it starts from the photo, not from noise, unless told otherwise;
- the objective is that of the training, see `hrstyle.losses.objectives`; `loss="gram",
  pooling="avg"` is nearer to theirs;
- L-BFGS searches along its directions for a point that meets the strong Wolfe conditions.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import torch
from torch import Tensor
from tqdm import tqdm

from hrstyle.engine import find_device, find_dtype
from hrstyle.errors import InputError
from hrstyle.images.metadata import kept_info
from hrstyle.images.reading import PILImage, Source, alpha_of, image_of, to_rgb
from hrstyle.images.tensors import check_tensor, resize, to_pil, to_tensor
from hrstyle.losses.objectives import build
from hrstyle.optimization.gradient_descent import minimise
from hrstyle.options import check_colours
from hrstyle.painting.blending import recolour
from hrstyle.styles.catalogue import find

Styles = Source | Tensor | Sequence[Source | Tensor] | Mapping[str, float] | None

SMALLEST = 128
"""The least length of the longer side to begin with, in pixels."""
NARROWEST = 32
"""The least length of the shorter one, where that is the smaller picture; VGG19 needs 16."""

CONTENT_WEIGHT = 2.0
"""Of the painterly objective, where pixels are changed. With a network's 1 faces dissolve."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an optimisation has come.

    Args:
        step: evaluations of the loss and its gradient so far.
        steps: how many there will be.
        losses: what the objective gives, of the best picture so far. When the picture grows they
            jump, because they are measured at its size.
        picture: that picture, at its present size.
    """

    step: int
    steps: int
    losses: dict[str, float]
    picture: PILImage


def growing_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Heights and widths of one shape, each twice the one before, up to this one.

    The first has a longer side of at least `SMALLEST` and a shorter one of at least `NARROWEST`,
    unless that is this one.
    """
    sizes = [(height, width)]
    while max(height, width) >= 2 * SMALLEST and min(height, width) >= 2 * NARROWEST:
        height, width = round(height / 2), round(width / 2)
        sizes.insert(0, (height, width))
    return sizes


@overload
def optimize(content: Tensor, style: Styles, **settings: Any) -> Tensor: ...


@overload
def optimize(content: Source | None, style: Styles, **settings: Any) -> PILImage: ...


@torch.inference_mode(False)
@torch.enable_grad()
def optimize(
    content: Source | Tensor | None,
    style: Styles,
    *,
    steps: int = 200,
    size: int | None = 512,
    start: Source | Tensor | None = None,
    method: str = "adam",
    coarse_to_fine: bool = True,
    style_scale: float = 1.0,
    keep_colours: bool | float = False,
    seed: int = 0,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype = "float32",
    progress: bool = False,
    callback: Callable[[Progress], None] | None = None,
    loss: str = "painterly",
    **weights: Any,
) -> PILImage | Tensor:
    """Repaint a photo in the style of any picture, without training.

    Ctrl-C ends it early, and the best picture so far is the result, unless there is none.

    Args:
        content: the photo, as `Stylizer.stylize` takes it; a tensor `(3, H, W)` or `(1, 3, H, W)`
            in [0, 1]. None leaves content out and shows what the style layers keep of `style`, in
            its shape.
        style: name of a bundled style, whose painting is fetched where it does not come along; or
            a picture, as a path, an address, or what `content` may be. Or several of them, as a
            list, or names and paths with their shares as `{"starry_night": 2, "mine.jpg": 1}`. None
            leaves style out and shows what the content layers keep of `content`.
        steps: evaluations of the loss and its gradient, which is what takes the time, shared
            evenly between the sizes.
        size: length of the result's longer side in pixels; a smaller photo keeps its size. None:
            the photo's own.
        start: `"content"`, `"noise"` (grey, with a deviation of 0.1), or a picture. None: the photo
            where there is a style, else noise.
        method: `"adam"`, which sees other places of the painting in each step, or `"lbfgs"`, as in
            the paper.
        coarse_to_fine: begin small and double the size; if not, all steps are at the full one.
        style_scale: the longer side of the style's picture over that of the result; more makes
            strokes larger. A picture is not enlarged.
        keep_colours: how much of the photo's colours the result is given at the end, from 0 (False)
            to 1 (True), all ("Preserving Color in Neural Artistic Style Transfer", Gatys et al.
            2016, luminance-only).
        seed: of the noise. One seed gives one picture on one CPU; GPUs may differ a little from
            run to run.
        device: such as `"cpu"` or `"cuda:1"`; None takes the best there is.
        dtype: `"float32"`, or `"bfloat16"` for convolutions that are faster where the hardware
            has it.
        progress: show a progress bar with the losses.
        callback: called after each step.
        loss: `"painterly"` or `"gram"`, see `hrstyle.losses.objectives`.
        weights: that objective's keywords: `style_weight`, `content_weight` (2 for `"painterly"`:
            pixels are freer than a network), `tv_weight`, `pooling`, …

    Returns:
        A Pillow image, with the photo's transparency if it has any; its `info` is as that of
        `Stylizer.stylize`. For a tensor, a tensor of as many dimensions.

    Raises:
        InputError: a picture that cannot be read or fetched, or an impossible setting.
        NonFiniteError: the loss of the start is not a finite number.
    """
    _check(content, style, steps=steps, size=size, style_scale=style_scale, seed=seed)
    check_colours(keep_colours)
    place, kind = find_device(device), find_dtype(dtype)
    if kind == torch.float16:
        raise InputError("dtype='float16' is too coarse for a pixel's gradient; take bfloat16")
    photo, image = (None, None) if content is None else _read(content, size)
    longest = None if photo is None else min(size or math.inf, max(photo.shape[-2:]))
    looked_at = longest or size  # of a painting, at `style_scale` 1
    paintings, shares = _read_styles(
        style, looked_at and math.ceil(looked_at * max(1, style_scale))
    )
    if image is not None:
        whole: Sequence[int] = (image.height, image.width)  # `photo` may be reduced, and rounded
    else:
        whole = paintings[0].shape if photo is None else photo.shape
    shape = _fitting(whole, size or math.inf)
    for what, (height, width) in [
        ("the result", shape),
        *(("a style's picture", painting.shape[-2:]) for painting in paintings),
    ]:
        if min(height, width) < 16:
            raise InputError(
                f"{what} would have {width}x{height} pixels, too few for VGG19, which needs 16 on"
                " both sides; take a larger size or picture"
            )
    sizes = growing_sizes(*shape) if coarse_to_fine else [shape]
    if loss == "painterly":
        weights = {"content_weight": CONTENT_WEIGHT} | weights
    network = build(loss, **weights).to(place)
    if start is None:
        start = "noise" if content is None or style is None else "content"
    picture = _first(start, photo, sizes[0], seed).to(place)

    before = done = 0  # steps at the smaller sizes, and all so far
    with tqdm(total=steps, unit="step", disable=not progress, leave=False) as bar:

        def report(step: int, losses: dict[str, float], best: Tensor) -> None:
            nonlocal picture, done
            picture, done = best, before + step
            bar.set_description(f"{best.shape[3]}x{best.shape[2]} px", refresh=False)
            bar.set_postfix(loss=f"{losses['loss']:.3f}", refresh=False)
            bar.update()
            if callback:
                so_far = to_pil(best)
                callback(Progress(step=done, steps=steps, losses=losses, picture=so_far))

        try:
            for number, (height, width) in enumerate(sizes):
                here = steps // len(sizes) + (number >= len(sizes) - steps % len(sizes))
                if not here:
                    continue
                # On the CPU: not every accelerator has an antialiased filter.
                picture = resize(picture.cpu(), (height, width)).to(place)
                target = None
                if photo is not None:
                    target = network.photo_features(resize(photo, (height, width)).to(place))
                side = max(height, width) * style_scale
                seen = [resize(p, _fitting(p.shape, side, NARROWEST)).to(place) for p in paintings]
                network.set_style(*seen, shares=shares)

                def objective(picture: Tensor, target: Any = target) -> dict[str, Tensor]:
                    with (
                        torch.autocast(place.type, kind, enabled=kind != torch.float32),
                        torch.random.fork_rng(devices=[]),
                    ):
                        # Places are drawn anew in each step, but not for L-BFGS, which compares
                        # evaluations along a line. torch.manual_seed would seed GPUs as well.
                        draw = seed + (done if method == "adam" else 0)
                        torch.default_generator.manual_seed(draw)
                        return network(picture, target)

                minimise(picture, objective, steps=here, method=method, report=report)
                before += here
        except KeyboardInterrupt:
            if not done:
                raise
    result = resize(picture.cpu().clamp(0, 1), shape)
    if keep_colours and photo is not None:
        result = torch.lerp(result, recolour(result, resize(photo, shape)), float(keep_colours))
    if isinstance(content, Tensor):
        return result.reshape(*content.shape[:-2], *shape).to(content)
    painted = to_pil(result)
    if image is not None:
        if (alpha := alpha_of(image)) is not None:
            painted.putalpha(alpha.resize(painted.size))
        painted.info.update(kept_info(image))
    return painted


def _check(
    content: object,
    style: object,
    *,
    steps: int,
    size: int | None,
    style_scale: float,
    seed: int,
) -> None:
    if content is None and style is None:
        raise InputError("give a photo, or a style, or both")
    if steps < 1:
        raise InputError(f"steps={steps} must be at least 1")
    if size is not None and size < NARROWEST:
        raise InputError(f"size={size} must be at least {NARROWEST} pixels")
    if not 0 <= seed < 2**63:
        raise InputError(f"seed={seed} must be a number from 0 to 2**63 - 1")
    if not 0.1 <= style_scale <= 10:
        raise InputError(f"style_scale={style_scale} must be from 0.1 to 10; 2 doubles the strokes")


def _read(picture: Source | Tensor, size: int | None = None) -> tuple[Tensor, PILImage | None]:
    """A picture as `(1, 3, H, W)`, and the image itself where it is no tensor.

    One that is much larger than `size` is reduced to no less than twice that, on its shorter side.
    """
    if isinstance(picture, Tensor):
        picture = check_tensor(picture)
        if picture.ndim == 4 and len(picture) > 1:
            raise InputError("give one picture at a time, not a batch")
        return picture.detach().cpu().float().reshape(1, *picture.shape[-3:]), None
    image = image_of(picture, at_least=size and 2 * size)
    colours = to_rgb(image)
    if size and (times := min(colours.size) // (2 * size)) > 1:
        colours = colours.reduce(times)
    return to_tensor(colours), image


def _read_styles(style: Any, size: int | None) -> tuple[list[Tensor], list[float]]:
    """The pictures `(1, 3, H, W)`, see `_read`, and how much each counts."""
    if style is None:
        return [], []
    if isinstance(style, Mapping):
        parts = list(style)
        try:
            shares = [float(share) for share in style.values()]
        except (TypeError, ValueError) as error:
            raise InputError(f"the shares in {dict(style)} must be numbers") from error
    else:
        parts = list(style) if isinstance(style, list | tuple) else [style]
        shares = [1.0] * len(parts)
    if not parts:
        raise InputError("the list of styles is empty")
    pictures = (
        find(p).picture(size and 2 * size) if isinstance(p, str | os.PathLike) else p for p in parts
    )
    return [_read(picture, size)[0] for picture in pictures], shares


def _fitting(shape: Sequence[int], side: float, least: float = 0) -> tuple[int, int]:
    """Height and width, which end `shape`, with a longer side of at most `side`; never enlarged.

    A long and narrow one keeps a shorter side of `least`.
    """
    height, width = shape[-2:]
    factor = min(1.0, max(side / max(height, width), least / min(height, width)))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _first(
    start: Source | Tensor, photo: Tensor | None, size: tuple[int, int], seed: int
) -> Tensor:
    """What to start from, at the first size."""
    if isinstance(start, str) and start == "noise":
        noise = torch.randn((1, 3, *size), generator=torch.Generator().manual_seed(seed))
        return (0.5 + 0.1 * noise).clamp_(0, 1)
    if isinstance(start, str) and start == "content":
        if photo is None:
            raise InputError("start='content' needs a photo; take 'noise' or a picture")
        start = photo
    return resize(_read(start, max(size))[0], size)

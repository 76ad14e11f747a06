"""Image optimisation: change the pixels of a picture, without training, until its loss is low.

After Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks" (CVPR 2016),
with the losses of the training. Differences from the paper:

- The size of the picture is doubled several times during the optimisation, so that large strokes
  come first and fewer steps are needed ("coarse to fine" of the same authors, "Controlling
  Perceptual Factors in Neural Style Transfer", CVPR 2017).
- By default it starts from the photo, not from noise.
- The objective is that of the training, see `hrstyle.losses.objectives`; `loss="gram",
  pooling="avg"` is closer to the paper's.
- The line search of L-BFGS uses the strong Wolfe conditions.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import torch
from torch import Tensor
from tqdm import tqdm

from hrstyle.engine import find_device, find_dtype
from hrstyle.engine.options import check_colours
from hrstyle.errors import InputError
from hrstyle.images.metadata import kept_info
from hrstyle.images.reading import PILImage, Source, alpha_of
from hrstyle.images.tensors import resize, to_pil
from hrstyle.losses.objectives import build
from hrstyle.losses.sampling import seeded
from hrstyle.optimization.gradient_descent import minimise
from hrstyle.optimization.inputs import (
    Styles,
    check_size,
    read_picture,
    read_styles,
    reduced_size,
    result_size,
)
from hrstyle.painting.blending import recolour

SIZE = 512
"""Default of the maximal length of the result's longer side, in pixels."""
FIRST_SIDE = 128
"""Minimal length of the longer side at the first size, in pixels."""
MIN_SIDE = 32
"""Minimal length of a shorter side that is reduced, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of an optimisation, given to `optimize`'s callback.

    Args:
        step: evaluations of the loss and its gradient so far.
        steps: their total number.
        losses: the loss and its terms of the best picture so far. They jump when the size changes.
        picture: the best picture so far, at its current size.
    """

    step: int
    steps: int
    losses: dict[str, float]
    picture: PILImage


def growing_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Heights and widths that double from the first one to `(height, width)`.

    The first has a longer side of at least `FIRST_SIDE` and a shorter side of at least `MIN_SIDE`,
    unless `(height, width)` itself is smaller.
    """
    sizes = [(height, width)]
    while max(height, width) >= 2 * FIRST_SIDE and min(height, width) >= 2 * MIN_SIDE:
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
    size: int | None = SIZE,
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

    Ctrl-C ends it early and returns the best picture so far; before the first step it is raised.

    Args:
        content: the photo, as `Stylizer.stylize` takes it; a tensor `(3, H, W)` or `(1, 3, H, W)`
            in [0, 1]. None: no content loss. The result then has the shape of `style`, and shows
            what the style layers represent.
        style: a bundled style's name, whose painting is fetched if it is not in the package; or a
            picture, as a path, an address, or anything that `content` may be. Or several: a list,
            or names and paths with their shares, `{"starry_night": 2, "mine.jpg": 1}`. None: no
            style loss. The result then shows what the content layers represent.
        steps: evaluations of the loss and its gradient in total, split evenly between the sizes.
        size: maximal length of the result's longer side in pixels; a smaller photo keeps its size.
            None: the photo's own.
        start: the initial picture: `"content"`, `"noise"` (grey, standard deviation 0.1), or a
            picture. None: the photo, or noise without content or style.
        method: `"adam"`, which draws other places of the painting in each step, or `"lbfgs"`, as in
            the paper.
        coarse_to_fine: start small and double the size; if False, all steps are at the full size.
        style_scale: ratio of the longer sides of the style's picture and the result, from 0.1 to
            10; larger values give larger strokes. A picture is not enlarged.
        keep_colours: share of the photo's colours that the result gets at the end, from 0 (False)
            to 1 (True) ("Preserving Color in Neural Artistic Style Transfer", Gatys et al.
            2016, luminance-only).
        seed: of the noise and of the places that are drawn. On a CPU the result is reproducible; on
            GPUs it may differ a little from run to run.
        device: such as `"cpu"` or `"cuda:1"`; None takes the best available.
        dtype: `"float32"`, or `"bfloat16"` for faster convolutions on hardware that supports it.
        progress: show a progress bar with the losses.
        callback: called after each step.
        loss: `"painterly"` or `"gram"`, see `hrstyle.losses.objectives`.
        weights: that objective's keywords: `style_weight`, `content_weight`, `tv_weight`,
            `pooling`, …

    Returns:
        A Pillow image, with the photo's transparency if it has any, and with `info` as from
        `Stylizer.stylize`. For a tensor, a tensor with the same number of dimensions.

    Raises:
        InputError: a picture that cannot be read or fetched, or an impossible setting.
        NonFiniteError: the loss of the start is not a finite number.
    """
    _check(content, style, steps=steps, size=size, style_scale=style_scale, seed=seed)
    check_colours(keep_colours)
    torch_device, torch_dtype = find_device(device), find_dtype(dtype)
    if torch_dtype == torch.float16:
        raise InputError("dtype='float16' is too coarse for a pixel's gradient; use bfloat16")
    photo, image = (None, None) if content is None else read_picture(content, size)
    longest = None if photo is None else min(size or math.inf, max(photo.shape[-2:]))
    painting_size = longest or size  # a painting's longer side at `style_scale` 1
    paintings, shares = read_styles(
        style, painting_size and math.ceil(painting_size * max(1, style_scale))
    )
    if image is not None:
        whole: Sequence[int] = (image.height, image.width)  # `photo` may be reduced, and rounded
    else:
        whole = paintings[0].shape if photo is None else photo.shape
    shape = result_size(whole, size)
    for painting in paintings:
        check_size("a style's picture", painting.shape)
    sizes = growing_sizes(*shape) if coarse_to_fine else [shape]
    network = build(loss, **weights).to(torch_device)
    if start is None:
        start = "noise" if content is None or style is None else "content"
    picture = _initial_picture(start, photo, sizes[0], seed).to(torch_device)

    before = done = 0  # steps at the smaller sizes, and all steps so far
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
                steps_here = steps // len(sizes) + (number >= len(sizes) - steps % len(sizes))
                if not steps_here:
                    continue
                # On the CPU, because not every accelerator has an antialiased filter.
                picture = resize(picture.cpu(), (height, width)).to(torch_device)
                target = None
                if photo is not None:
                    target = network.photo_features(resize(photo, (height, width)).to(torch_device))
                side = max(height, width) * style_scale
                style_pictures = [
                    resize(p, reduced_size(p.shape, side, MIN_SIDE)).to(torch_device)
                    for p in paintings
                ]
                network.set_style(*style_pictures, shares=shares)

                def objective(picture: Tensor, target: Any = target) -> dict[str, Tensor]:
                    # Each step draws other places. Not so with L-BFGS, whose line search compares
                    # evaluations.
                    step_seed = seed + (done if method == "adam" else 0)
                    with (
                        torch.autocast(
                            torch_device.type, torch_dtype, enabled=torch_dtype != torch.float32
                        ),
                        seeded(step_seed),
                    ):
                        return network(picture, target)

                minimise(picture, objective, steps=steps_here, method=method, report=report)
                before += steps_here
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
    if size is not None and size < MIN_SIDE:
        raise InputError(f"size={size} must be at least {MIN_SIDE} pixels")
    if not 0 <= seed < 2**63:
        raise InputError(f"seed={seed} must be a number from 0 to 2**63 - 1")
    if not 0.1 <= style_scale <= 10:
        raise InputError(f"style_scale={style_scale} must be from 0.1 to 10; 2 doubles the strokes")


def _initial_picture(
    start: Source | Tensor, photo: Tensor | None, size: tuple[int, int], seed: int
) -> Tensor:
    """The initial picture `(1, 3, H, W)` at the first size."""
    if isinstance(start, str) and start == "noise":
        noise = torch.randn((1, 3, *size), generator=torch.Generator().manual_seed(seed))
        return (0.5 + 0.1 * noise).clamp_(0, 1)
    if isinstance(start, str) and start == "content":
        if photo is None:
            raise InputError("start='content' needs a photo; use 'noise' or a picture")
        start = photo
    return resize(read_picture(start, max(size))[0], size)

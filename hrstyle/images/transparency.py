"""Colours for invisible pixels: files hold any colour there, which must not change the result."""

from PIL import Image


def fill_invisible(colours: Image.Image, alpha: Image.Image) -> Image.Image:
    """Fill invisible pixels with the colours of the visible pixels around them.

    The network sees invisible pixels too, and InstanceNorm would spread their influence over the
    whole picture. The fill depends only on visible pixels, which are not changed. It uses a
    pyramid: each level halves the size by means weighted by alpha; then each level, upsampled
    bilinearly, fills the gaps of the next larger one ("pull-push", Gortler et al., "The Lumigraph",
    SIGGRAPH 1996).

    Args:
        colours: RGB.
        alpha: of the same size, mode L; 0 is invisible.

    Returns:
        An RGB picture of the same size; `colours` itself if no pixel is invisible.
    """
    if alpha.getextrema()[0] != 0:
        return colours
    level = colours.convert("RGB")
    level.putalpha(alpha)
    smaller = [level]
    while max(level.size) > 1:
        level = level.reduce(2)  # weighted by alpha
        # A colour counts as known where a quarter of the area is visible.
        level.putalpha(level.getchannel("A").point(lambda value: min(255, 4 * value)))
        smaller.append(level)
    filled = smaller.pop().convert("RGBa").convert("RGBA").convert("RGB")  # invisible: black
    while smaller:
        level = smaller.pop()
        width, height = level.size
        seen = level.getchannel("A")
        if not smaller:  # the picture itself
            seen = seen.point(lambda value: 255 if value else 0)
        box = (0, 0, width / 2, height / 2)
        gaps = filled.resize(level.size, Image.Resampling.BILINEAR, box=box)
        filled = Image.composite(level.convert("RGB"), gaps, seen)
    filled.info = {key: value for key, value in colours.info.items() if key != "transparency"}
    return filled

"""What colours invisible pixels have: files hold anything there, which must not be seen."""

from PIL import Image

PILImage = Image.Image


def fill_invisible(colours: PILImage, alpha: PILImage) -> PILImage:
    """Give the pixels that cannot be seen the colours of those around them that can.

    A network sees them too, and its statistics over the whole picture carry them everywhere. What
    is filled in depends on visible pixels alone, which stay as they are. It goes by a pyramid:
    means weighted by alpha on the way up, then each level fills the gaps of the next larger one
    ("pull-push" of Gortler et al., "The Lumigraph", SIGGRAPH 1996, with boxes and bilinear).

    Args:
        colours: RGB.
        alpha: of the same size, mode L; 0 is invisible.

    Returns:
        An RGB picture of the same size; `colours` itself where all of it can be seen.
    """
    if alpha.getextrema()[0] != 0:
        return colours
    level = colours.convert("RGB")
    level.putalpha(alpha)
    smaller = [level]
    while max(level.size) > 1:
        level = level.reduce(2)  # weighted by alpha
        # What is seen in a quarter of the area is enough to know its colour.
        level.putalpha(level.getchannel("A").point(lambda value: min(255, 4 * value)))
        smaller.append(level)
    filled = smaller.pop().convert("RGBa").convert("RGBA").convert("RGB")  # invisible: black
    while smaller:
        level = smaller.pop()
        width, height = level.size
        known = level.getchannel("A")
        if not smaller:  # the picture itself
            known = known.point(lambda value: 255 if value else 0)
        box = (0, 0, width / 2, height / 2)
        gaps = filled.resize(level.size, Image.Resampling.BILINEAR, box=box)
        filled = Image.composite(level.convert("RGB"), gaps, known)
    filled.info = {key: value for key, value in colours.info.items() if key != "transparency"}
    return filled

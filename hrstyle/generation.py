"""`generate`: one call from a photo's file to the file of its repaint, for any kind of style."""

import os
import sys
from pathlib import Path
from typing import Any

import torch

from hrstyle.errors import InputError
from hrstyle.files import expand_user
from hrstyle.images.photos import as_picture, read_photo
from hrstyle.images.reading import resize_array
from hrstyle.images.writing import save_image
from hrstyle.inference import load
from hrstyle.optimization import optimize
from hrstyle.styles.catalogue import find
from hrstyle.styles.trained import ENDING, list_styles

METHODS = ("auto", "feedforward", "optimize")
_TRAINED = (ENDING, ".ckpt")


def generate(
    input_image_path: str | os.PathLike[str],
    style: str | os.PathLike[str],
    *,
    resolution: int | None = 512,
    output_dir: str | os.PathLike[str] = ".",
    method: str = "auto",
    device: str | torch.device | None = None,
    dtype: str | torch.dtype = "float32",
    **options: Any,
) -> Path:
    """Repaint a photo and write the result as `<photo>-<style>.png`.

    Args:
        input_image_path: the photo.
        style: name of a bundled style, a file of trained weights, or the path or address of any
            picture. For a picture no network is trained: the photo's pixels are optimised, which
            takes minutes instead of a second and shows a progress bar.
        resolution: length of the result's shorter side in pixels; None keeps the photo's.
        output_dir: folder for the result, made if it is missing. An older result of the same name
            is replaced.
        method: `"feedforward"`, one pass of a trained network; `"optimize"`, for a picture or the
            painting of a bundled style; or `"auto"`, the first where trained weights exist.
        device, dtype: see `load` and `optimize`.
        options: further keywords of `Stylizer.stylize` or `optimize`, whichever does the work.

    Returns:
        Path of the result.

    Raises:
        InputError: a photo, style or setting that cannot be used.
    """
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if resolution is not None and resolution < 16:
        raise InputError(f"resolution={resolution} must be at least 16 pixels")
    name, style_path = str(style), Path(style)
    is_weights = style_path.suffix.lower() in _TRAINED
    trained = is_weights or (name in list_styles() and not style_path.is_file())
    if method == "feedforward" and not trained:
        raise InputError(
            f"method='feedforward' needs a trained style, which {name} is not; the names are"
            f" {', '.join(list_styles())}, and python -m hrstyle.train trains one from a picture"
        )
    if method == "optimize" and is_weights:
        raise InputError(f"method='optimize' needs a picture or a style's name; {name} is neither")
    source, folder = Path(expand_user(input_image_path)), Path(expand_user(output_dir))
    photo = read_photo(source)
    pixels = photo.pixels
    if resolution is not None:
        height, width, _ = pixels.shape
        factor = resolution / min(height, width)
        pixels = resize_array(pixels, (round(height * factor), round(width * factor)))
    picture = as_picture(pixels, photo)
    device_options: dict[str, Any] = {"device": device, "dtype": dtype}
    stylizer = load(style, **device_options) if trained and method != "optimize" else None
    title = stylizer.style if stylizer else find(style).name
    try:
        # Before the work, because an error after it would lose the result.
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    options = {"progress": sys.stderr.isatty(), **options}
    if stylizer:
        result = stylizer.stylize(picture, **options)
    else:
        result = optimize(picture, style, **{"size": None, **device_options, **options})
    path = folder / f"{source.stem}-{title}.png"
    save_image(result, path)
    return path

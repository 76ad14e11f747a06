"""A style as an ONNX file, for other programs: ONNX Runtime, OpenVINO, the browser.

`export` compares the file with PyTorch by running it in ONNX Runtime. A model of a fixed size is
computed from the one of any size by onnxslim, which folds what depends on the size alone into
constants. Both need `pip install "hrstyle[export]"`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hrstyle.engine.onnx import DTYPES, onnx_bytes
from hrstyle.engine.options import LONGEST_SIDE
from hrstyle.errors import InputError
from hrstyle.files import check_folder, write_atomically
from hrstyle.mixing import load_style

CHECK_SIZES = ((64, 64), (83, 131), (250, 190))
TOLERANCE = {"float32": 1.0, "float16": 16.0}
"""The largest difference from PyTorch that is accepted, in units of 1/255."""


def export(
    source: str | os.PathLike[str] | Mapping[str, float],
    path: str | os.PathLike[str],
    *,
    dtype: str = "float32",
    size: tuple[int, int] | None = None,
) -> float:
    """Write a style as an ONNX file, if it agrees with PyTorch on noise pictures.

    The model is the network alone, without the limit to 0.6 megapixels and the brush filter of
    `Stylizer.stylize`: it is `stylize(picture, stroke_size=1, brush=False)`.

    Args:
        source: name of a bundled style, path of a trained file, or a mixture; see `hrstyle.load`.
        path: of the file to write, ending in `.onnx`.
        dtype: type of the weights: `"float32"`, or `"float16"` for half the size. Input and output
            are float32 in both cases.
        size: height and width of the only picture that the model is to take, as TensorRT and WebNN
            need it. None: any number of pictures of any size.

    Returns:
        The largest difference, in units of 1/255.

    Raises:
        InputError: an unknown style, ending, folder, dtype or size; a missing package; or a model
            that differs by more than `TOLERANCE`. Nothing is written then.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise InputError(f"{path}: an ONNX file's name ends in .onnx")
    check_folder(path)
    if dtype not in DTYPES:
        raise InputError(f"dtype must be float32 or float16, not {dtype!r}")
    if size is not None and not (
        len(size) == 2 and all(1 <= side <= LONGEST_SIDE for side in size)
    ):
        raise InputError(
            f"size {size} must be height and width in whole pixels, each from 1 to {LONGEST_SIDE}"
        )
    try:
        import onnxruntime
        import onnxslim
    except ImportError as missing:
        raise InputError(
            f'{missing.name} cannot be imported ({missing}); run: pip install "hrstyle[export]"'
        ) from missing
    trained = load_style(source)
    generator = trained.generator
    model = onnx_bytes(generator, style=trained.style, dtype=dtype)
    if size is not None:
        model = _fixed(onnxslim, model, size)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    errors = []
    random = torch.Generator().manual_seed(0)
    for shape in CHECK_SIZES if size is None else [size]:
        picture = torch.rand(1, 3, *shape, generator=random)
        (painted,) = session.run(None, {"picture": picture.numpy()})
        with torch.no_grad():
            expected = generator(picture).clamp(0, 1)
        errors.append(255 * (torch.from_numpy(painted) - expected).abs().max().item())
    error = float(np.max(errors))  # Python's max would lose a NaN
    if not error <= TOLERANCE[dtype]:
        fix = "" if dtype == "float32" else "; try float32"
        raise InputError(
            f"{path} is not written: it differs from PyTorch by {error:.1f} of 255{fix}"
        )
    write_atomically(path, model)
    return error


def _fixed(onnxslim: Any, model: bytes, size: tuple[int, int]) -> bytes:
    """The model for one picture of this height and width."""
    import onnx

    height, width = size
    slim = onnxslim.slim(
        onnx.load_from_string(model), input_shapes=[f"picture:1,3,{height},{width}"]
    )
    props = {prop.key: prop.value for prop in slim.metadata_props}
    for end in (*slim.graph.input, *slim.graph.output):
        end.doc_string = f"RGB, 0 to 1, NCHW, height {height}, width {width}"
        props[end.name] = f"float32, {end.doc_string}"
    onnx.helper.set_model_props(slim, props)
    return slim.SerializeToString()

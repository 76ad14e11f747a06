"""A style as an ONNX file, for other programs: ONNX Runtime, OpenVINO, the browser.

`export` compares the file with PyTorch by running it in ONNX Runtime, which needs
`pip install "hrstyle[export]"`.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from hrstyle.engine.onnx import DTYPES, onnx_bytes
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
) -> float:
    """Write a style as an ONNX file, if it agrees with PyTorch on noise pictures of three sizes.

    Args:
        source: name of a bundled style, path of a trained file, or a mixture; see `hrstyle.load`.
        path: of the file to write, ending in `.onnx`.
        dtype: type of the weights: `"float32"`, or `"float16"` for half the size. Input and output
            are float32 in both cases.

    Returns:
        The largest difference, in units of 1/255.

    Raises:
        InputError: an unknown style, ending, folder or dtype; a missing package; or a model that
            differs by more than `TOLERANCE`. Nothing is written then.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise InputError(f"{path}: an ONNX file's name ends in .onnx")
    check_folder(path)
    if dtype not in DTYPES:
        raise InputError(f"dtype must be float32 or float16, not {dtype!r}")
    try:
        import onnxruntime
    except ImportError as missing:
        raise InputError(
            f'onnxruntime cannot be imported ({missing}); run: pip install "hrstyle[export]"'
        ) from missing
    trained = load_style(source)
    generator = trained.generator
    model = onnx_bytes(generator, style=trained.style, dtype=dtype)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    errors = []
    random = torch.Generator().manual_seed(0)
    for size in CHECK_SIZES:
        picture = torch.rand(1, 3, *size, generator=random)
        (painted,) = session.run(None, {"picture": picture.numpy()})
        with torch.no_grad():
            expected = generator(picture).clamp(0, 1)
        errors.append(255 * (torch.from_numpy(painted) - expected).abs().max().item())
    error = float(np.max(errors))  # Python's max would lose a NaN
    if not error <= TOLERANCE[dtype]:
        raise InputError(
            f"{path} is not written: it differs from PyTorch by {error:.1f} of 255; try float32"
        )
    write_atomically(path, model)
    return error

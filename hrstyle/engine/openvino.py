"""A generator compiled by OpenVINO for the CPU."""

from collections.abc import Callable

import torch
from torch import Tensor

from hrstyle.engine.compiled import compile_model
from hrstyle.engine.onnx import onnx_bytes
from hrstyle.generator.base import Generator


def openvino_model(generator: Generator, *, dtype: str = "float32") -> Callable[[Tensor], Tensor]:
    """Compile a float32 generator by OpenVINO for the CPU. Threads may share the result.

    Args:
        generator: in eval mode, on the CPU.
        dtype: type to compute in, float32 or bfloat16.

    Raises:
        InputError: OpenVINO is not installed.
    """
    run = compile_model(onnx_bytes(generator, style=""), dtype=dtype)
    return lambda batch: torch.from_numpy(run(batch.contiguous().numpy()))

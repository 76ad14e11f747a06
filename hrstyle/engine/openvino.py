"""A generator compiled by OpenVINO, for CPUs."""

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from hrstyle.engine.onnx import onnx_bytes
from hrstyle.errors import InputError
from hrstyle.generator import Generator


def openvino_model(generator: Generator, *, dtype: str = "float32") -> Callable[[Tensor], Tensor]:
    """A float32 generator compiled by OpenVINO for the CPU; threads may share it.

    Args:
        generator: in eval mode, on the CPU.
        dtype: type to compute in, float32 or bfloat16.

    Raises:
        InputError: OpenVINO is not installed.
    """
    core = _openvino_core()
    precision = {"float32": "f32", "bfloat16": "bf16"}[dtype]
    compiled = core.compile_model(
        core.read_model(onnx_bytes(generator, style="")),
        "CPU",
        {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"},
    )

    def paint(batch: Tensor) -> Tensor:
        request = compiled.create_infer_request()  # one of its own for each call: thread-safe
        (painted,) = request.infer([batch.contiguous().numpy()]).values()
        return torch.from_numpy(painted)

    return paint


@cache
def _openvino_core() -> Any:
    """OpenVINO's runtime, kept until the process ends.

    Its CPU plugin replaces the thread's stack for signal handlers. Once it had been unloaded, the
    next Ctrl-C crashed (OpenVINO 2026.4 under pytest, which has such a stack of its own).
    """
    # As it is imported, OpenVINO reports to a web analytics service, but if this is missing.
    reporter = sys.modules.get("openvino_telemetry")
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as error:
        raise InputError(
            f"openvino cannot be imported ({error}); run: pip install openvino"
        ) from error
    finally:
        del sys.modules["openvino_telemetry"]
        if reporter is not None:
            sys.modules["openvino_telemetry"] = reporter
    return openvino.Core()

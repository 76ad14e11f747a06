"""A network compiled by OpenVINO, for CPUs: from array to array, without PyTorch."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrstyle.errors import InputError

Array = NDArray[np.float32]
_FIRST = Lock()  # `cache` lets threads in that all come for the first time


def compile_model(model: bytes | Path, *, dtype: str = "float32") -> Callable[[Array], Array]:
    """An ONNX model of one input and one output, compiled; threads may share it.

    Args:
        model: the model, or its file.
        dtype: type to compute in, float32 or bfloat16.

    Raises:
        InputError: OpenVINO is not installed.
        RuntimeError: a damaged model.
    """
    with _FIRST:
        core = _core()
    precision = {"float32": "f32", "bfloat16": "bf16"}[dtype]
    compiled = core.compile_model(
        core.read_model(model),
        "CPU",
        {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"},
    )

    def run(values: Array) -> Array:
        request = compiled.create_infer_request()  # one of its own for each call: thread-safe
        (result,) = request.infer([values]).values()
        return result

    return run


@cache
def _core() -> Any:
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

"""An ONNX model compiled by OpenVINO for the CPU; takes and returns arrays, without PyTorch."""

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
_CORE_LOCK = Lock()  # without it, `cache` lets several threads make a core at the same time


def compile_model(model: bytes | Path, *, dtype: str = "float32") -> Callable[[Array], Array]:
    """Compile an ONNX model of one input and one output. Threads may share the result.

    Args:
        model: the model's bytes, or the path of its file.
        dtype: type to compute in, float32 or bfloat16.

    Raises:
        InputError: OpenVINO is not installed.
        RuntimeError: a damaged model.
    """
    with _CORE_LOCK:
        core = _core()
    precision = {"float32": "f32", "bfloat16": "bf16"}[dtype]
    compiled = core.compile_model(
        core.read_model(model),
        "CPU",
        {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"},
    )

    def run(values: Array) -> Array:
        request = compiled.create_infer_request()  # a new one for each call: thread-safe
        (result,) = request.infer([values]).values()
        return result

    return run


@cache
def _core() -> Any:
    """OpenVINO's runtime, which is kept until the process ends.

    Its CPU plugin replaces the thread's signal stack. After the plugin was unloaded, the next
    Ctrl-C crashed (OpenVINO 2026.4 under pytest, which sets a signal stack itself).
    """
    # On import, OpenVINO reports to a web analytics service, unless this module is missing.
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

"""ONNX models compiled by OpenVINO for the CPU; they take and return arrays, without PyTorch."""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrstyle.errors import InputError

Array = NDArray[np.float32]
Pass = Callable[[Array], Array]
"""A network's pass over pictures `(N, 3, H, W)`, float32 in [0, 1]."""
TEMPLATE = Path(__file__).with_name("pyramid.onnx")
"""The default generator with its weights as inputs, see `onnx.onnx_template`."""
TEMPLATE_CONFIG = {"name": "pyramid", "channels": [8, 32, 64, 128], "blocks": [1, 4, 5]}
"""The default generator's `config`, because OpenVINO reads no description from the file."""
_CORE_LOCK = Lock()  # without it, `cache` lets several threads make a core at the same time


def compile_model(model: bytes | Path, *, dtype: str = "float32") -> Pass:
    """Compile an ONNX model of one input and one output. Threads may share the result.

    Args:
        model: the model's bytes, or the path of its file.
        dtype: type to compute in, float32 or bfloat16.

    Raises:
        InputError: OpenVINO is not installed.
        RuntimeError: a damaged model.
    """
    return _compile(_core().read_model(model), dtype)


def compile_template(config: Mapping[str, Any], weights: Mapping[str, Array]) -> Pass:
    """Compile `TEMPLATE` with a style's weights, as `compile_model` does.

    Args:
        config: the `config` of the style's generator.
        weights: its weights, by name.

    Raises:
        InputError: OpenVINO is not installed.
        ValueError: the style has another network than `TEMPLATE`.
    """
    model = _core().read_model(TEMPLATE)
    inputs = {node.get_friendly_name(): node for node in model.get_parameters()}
    del inputs["picture"]
    shapes = {name: tuple(node.shape) for name, node in inputs.items()}
    if config != TEMPLATE_CONFIG or shapes != {k: value.shape for k, value in weights.items()}:
        raise ValueError(f"{config} is another network than the default generator")
    import openvino

    for name, node in inputs.items():
        constant = openvino.op.Constant(np.ascontiguousarray(weights[name]), shared_memory=False)
        node.output(0).replace(constant.output(0))
        model.remove_parameter(node)
    return _compile(model, "float32")


def _compile(model: Any, dtype: str) -> Pass:
    precision = {"float32": "f32", "bfloat16": "bf16"}[dtype]
    settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    compiled = _core().compile_model(model, "CPU", settings)

    def run(values: Array) -> Array:
        request = compiled.create_infer_request()  # a new one for each call: thread-safe
        (result,) = request.infer([values]).values()
        return result

    return run


def _core() -> Any:
    with _CORE_LOCK:
        return _new_core()


@cache
def _new_core() -> Any:
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

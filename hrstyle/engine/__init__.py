"""How the network's pass is computed. `Painter` chooses among three ways with the same result:

- the plain pass, `generator(picture)`;
- streaming (`streaming`, planned by `sweeps`): exact in bounded memory;
- OpenVINO (`openvino`, which compiles what `onnx` writes): the fastest on a CPU.

Streaming and ONNX use the list of `layers`, which is recorded from the generator's `network`.
`repaint` (`repainting`) reads a picture, has it painted, and blends photo and result. `exporting`
writes a style as an ONNX file. Modules are imported on first use: `compiled` needs no PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrstyle.engine.compiled import compile_model
    from hrstyle.engine.devices import best_device, find_device, find_dtype
    from hrstyle.engine.exporting import export
    from hrstyle.engine.memory import share_of_free
    from hrstyle.engine.onnx import onnx_bytes
    from hrstyle.engine.painter import Painter
    from hrstyle.engine.repainting import repaint

__all__ = [
    "Painter",
    "best_device",
    "compile_model",
    "export",
    "find_device",
    "find_dtype",
    "onnx_bytes",
    "repaint",
    "share_of_free",
]
_MODULE_OF = {
    "Painter": "painter",
    "best_device": "devices",
    "compile_model": "compiled",
    "export": "exporting",
    "find_device": "devices",
    "find_dtype": "devices",
    "onnx_bytes": "onnx",
    "repaint": "repainting",
    "share_of_free": "memory",
}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        globals()[name] = value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

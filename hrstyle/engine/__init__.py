"""How a picture is computed. `Painter` chooses among three ways, which give the same picture:

- the plain pass, `generator(picture)`;
- streaming (`streaming`, planned by `sweeps`), exact in bounded memory, for large pictures, and on
  a CPU for middling ones, where its bands use the same memory over and over;
- OpenVINO (`openvino`, which reads what `onnx` writes), the fastest on a CPU, for what fits.

`repaint` puts around it what makes a picture of a picture: reading, size, strokes, blending.
The last two work on a generator's `layers`, which are read off its `network`. `exporting` writes a
style for other programs. `compiled` needs no PyTorch, so each is loaded when it is first used.
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
_HOMES = {
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
    if name in _HOMES:
        globals()[name] = value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

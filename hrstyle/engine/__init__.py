"""How a picture is computed. `Painter` chooses among three ways, which give the same picture:

- the plain pass, `generator(picture)`;
- streaming (`streaming`, planned by `sweeps`), exact in bounded memory, for large pictures, and on
  a CPU for middling ones, where its bands use the same memory over and over;
- OpenVINO (`openvino`, which reads what `onnx` writes), the fastest on a CPU, for what fits.

The last two work on a generator's `layers`, which are read off its `network`.
"""

from hrstyle.engine.devices import best_device, find_device, find_dtype
from hrstyle.engine.memory import bytes_of, share_of_free
from hrstyle.engine.painter import Painter

__all__ = [
    "Painter",
    "best_device",
    "bytes_of",
    "find_device",
    "find_dtype",
    "share_of_free",
]

"""How the network's pass is computed. `Painter` chooses among three ways with the same result:

- the plain pass, `generator(picture)`;
- streaming (`streaming`, planned by `sweeps`): exact in bounded memory;
- OpenVINO (`openvino`, which compiles what `onnx` writes): the fastest on a CPU.

Streaming and ONNX use the list of `layers`, which is recorded from the generator's `network`.
`repaint` (`repainting`) reads a picture, has it painted, and blends photo and result, as
`StylizeOptions` (`options`) says. `exporting` writes a style as an ONNX file. What `__init__.pyi`
lists is imported on first use: `compiled` needs no PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

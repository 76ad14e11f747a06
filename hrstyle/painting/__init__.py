"""What is done before and after the network's pass, so that its picture looks painted.

`strokes` computes the size at which to paint for strokes of a given size. `enlarge` is the brush
filter: it turns the network's output into brush strokes and enlarges it, by `bands` of rows.
`blending` blends the painted picture with the photo: by strength, mask and colours. What
`__init__.pyi` lists is imported on first use, because only `blending` needs PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

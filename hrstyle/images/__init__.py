"""Reading and writing pictures.

`formats` finds and opens picture files. `reading` converts pictures of every kind to 8-bit sRGB,
and `transparency` fills their invisible pixels. A `Photo` (`photos`) has the pixels and what the
repaint keeps. `writing` writes files, `metadata` their EXIF and colour profile, `animation`
animated pictures, and `sheets` contact sheets. `limits` lists what formats cannot hold. `inputs`
finds the pictures that a command names, and `outputs` chooses the result's file for each. `tensors`
converts pictures to tensors and back. What `__init__.pyi` lists is imported on first use, because
only `tensors` needs PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""hrstyle: repaint any photo in the style of a painting.

    import hrstyle
    hrstyle.load("starry_night").stylize("photo.jpg").save("painted.png")  # without optimisation
    hrstyle.optimize("photo.jpg", "any_picture.jpg").save("painted.png")   # without training

Training lives in `hrstyle.train`. Importing this package loads neither it nor Lightning nor Hydra,
and torch is loaded by the first call that needs it.
"""

import os

import lazy_loader

# OpenMP reads this when torch is loaded. hrstyle.engine.threads helps where torch already was.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"

# What hrstyle exports is listed in `__init__.pyi`.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""hrstyle: repaint any photo in the style of a painting.

    import hrstyle
    hrstyle.load("starry_night").stylize("photo.jpg").save("painted.png")  # without optimisation
    hrstyle.optimize("photo.jpg", "any_picture.jpg").save("painted.png")   # without training

Training lives in `hrstyle.train`. Importing this package loads neither it nor Lightning nor Hydra,
and torch is loaded by the first call that needs it.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrstyle.errors import InputError
    from hrstyle.generation import generate
    from hrstyle.inference import Stylizer, load
    from hrstyle.optimization import Progress, Refiner, optimize
    from hrstyle.options import StylizeOptions

# OpenMP reads this when torch is loaded. hrstyle.engine.threads helps where torch already was.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
__all__ = [
    "InputError",
    "Progress",
    "Refiner",
    "StylizeOptions",
    "Stylizer",
    "generate",
    "list_styles",
    "load",
    "optimize",
]
_MODULE_OF = {
    "InputError": "errors",
    "Progress": "optimization",
    "Refiner": "optimization",
    "StylizeOptions": "options",
    "Stylizer": "inference",
    "generate": "generation",
    "load": "inference",
    "optimize": "optimization",
}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        globals()[name] = value = getattr(import_module(f"hrstyle.{_MODULE_OF[name]}"), name)
        return value
    raise AttributeError(f"module 'hrstyle' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def list_styles() -> list[str]:
    """The names of the bundled styles. `load` takes each of them."""
    from hrstyle.styles import names

    return names()

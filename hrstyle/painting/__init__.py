"""Around the network's pass: what makes its picture look painted.

`strokes` says how small a photo is painted so that its strokes are large, `enlarge` makes paint of
what comes out and enlarges it, and `blending` brings it together with the photo: by strength, mask
and colours. `bands` is how `enlarge` goes through a picture. Only `blending` needs PyTorch, so each
is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrstyle.painting.blending import (
        Mask,
        blend,
        mask_image,
        recolour,
        soft_mask,
    )
    from hrstyle.painting.enlarge import brush, brushed
    from hrstyle.painting.strokes import (
        LARGEST,
        LARGEST_STROKES,
        PAINTED,
        SMALLEST_STROKES,
        size_to_paint,
        strokes_for,
    )

__all__ = [
    "LARGEST",
    "LARGEST_STROKES",
    "PAINTED",
    "SMALLEST_STROKES",
    "Mask",
    "blend",
    "brush",
    "brushed",
    "mask_image",
    "recolour",
    "size_to_paint",
    "soft_mask",
    "strokes_for",
]
_HOMES = {
    "LARGEST": "strokes",
    "LARGEST_STROKES": "strokes",
    "PAINTED": "strokes",
    "SMALLEST_STROKES": "strokes",
    "Mask": "blending",
    "blend": "blending",
    "brush": "enlarge",
    "brushed": "enlarge",
    "mask_image": "blending",
    "recolour": "blending",
    "size_to_paint": "strokes",
    "soft_mask": "blending",
    "strokes_for": "strokes",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        globals()[name] = value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

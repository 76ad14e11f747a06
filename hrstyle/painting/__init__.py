"""What is done before and after the network's pass, so that its picture looks painted.

`strokes` computes the size at which to paint for strokes of a given size. `enlarge` is the brush
filter: it turns the network's output into brush strokes and enlarges it, by `bands` of rows.
`blending` blends the painted picture with the photo: by strength, mask and colours. Modules are
imported on first use, because only `blending` needs PyTorch.
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
_MODULE_OF = {
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
    if name in _MODULE_OF:
        globals()[name] = value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

from .blending import (
    Mask as Mask,
    blend as blend,
    mask_image as mask_image,
    recolour as recolour,
    soft_mask as soft_mask,
)
from .enlarge import (
    brush as brush,
    brushed as brushed,
)
from .strokes import (
    LARGEST as LARGEST,
    LARGEST_STROKES as LARGEST_STROKES,
    PAINTED as PAINTED,
    SMALLEST_STROKES as SMALLEST_STROKES,
    size_to_paint as size_to_paint,
    strokes_for as strokes_for,
)

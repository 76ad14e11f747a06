from .blending import (
    Mask as Mask,
    SoftMask as SoftMask,
    blend as blend,
    mask_image as mask_image,
    recolour as recolour,
)
from .enlarge import (
    brush as brush,
    brushed as brushed,
)
from .strokes import (
    LARGEST_PIXELS as LARGEST_PIXELS,
    LARGEST_STROKES as LARGEST_STROKES,
    PAINTED as PAINTED,
    SMALLEST_STROKES as SMALLEST_STROKES,
    size_to_paint as size_to_paint,
    strokes_for as strokes_for,
)

"""Reading and writing pictures.

`formats` finds and opens picture files. `reading` converts pictures of every kind to 8-bit sRGB,
and `transparency` fills their invisible pixels. `writing` writes files, `metadata` their EXIF and
colour profile, `animation` animated pictures, and `sheets` contact sheets. `outputs` chooses the
result's file for each photo. `tensors` converts pictures to tensors and back. Modules are imported
on first use, because only `tensors` needs PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrstyle.images.animation import Animation, animation_format, is_animated, write_animation
    from hrstyle.images.formats import File, describe_skipped, is_picture, pictures_in, trust_files
    from hrstyle.images.metadata import exif_of, kept_info, save_options, srgb_profile
    from hrstyle.images.outputs import ending_of, expand, plan_outputs
    from hrstyle.images.reading import (
        PILImage,
        Source,
        alpha_of,
        check_range,
        from_array,
        image_of,
        open_image,
        pixels_of,
        resize_array,
        resize_planes,
        to_array,
        to_rgb,
        upright,
    )
    from hrstyle.images.sheets import grid, titled_row
    from hrstyle.images.tensors import (
        check_tensor,
        from_bytes,
        resize,
        size_of,
        to_bytes,
        to_pil,
        to_tensor,
    )
    from hrstyle.images.writing import (
        QUALITY,
        check_longest,
        check_output,
        check_quality,
        output_format,
        save_image,
        write_image,
    )

__all__ = [
    "QUALITY",
    "Animation",
    "File",
    "PILImage",
    "Source",
    "alpha_of",
    "animation_format",
    "check_longest",
    "check_output",
    "check_quality",
    "check_range",
    "check_tensor",
    "describe_skipped",
    "ending_of",
    "exif_of",
    "expand",
    "from_array",
    "from_bytes",
    "grid",
    "image_of",
    "is_animated",
    "is_picture",
    "kept_info",
    "open_image",
    "output_format",
    "pictures_in",
    "pixels_of",
    "plan_outputs",
    "resize",
    "resize_array",
    "resize_planes",
    "save_image",
    "save_options",
    "size_of",
    "srgb_profile",
    "titled_row",
    "to_array",
    "to_bytes",
    "to_pil",
    "to_rgb",
    "to_tensor",
    "trust_files",
    "upright",
    "write_animation",
    "write_image",
]
_MODULE_OF = {
    "QUALITY": "writing",
    "Animation": "animation",
    "File": "formats",
    "PILImage": "reading",
    "Source": "reading",
    "alpha_of": "reading",
    "animation_format": "animation",
    "check_longest": "writing",
    "check_output": "writing",
    "check_quality": "writing",
    "check_range": "reading",
    "check_tensor": "tensors",
    "ending_of": "outputs",
    "exif_of": "metadata",
    "expand": "outputs",
    "from_array": "reading",
    "from_bytes": "tensors",
    "grid": "sheets",
    "image_of": "reading",
    "is_animated": "animation",
    "is_picture": "formats",
    "kept_info": "metadata",
    "describe_skipped": "formats",
    "open_image": "reading",
    "output_format": "writing",
    "pictures_in": "formats",
    "pixels_of": "reading",
    "plan_outputs": "outputs",
    "resize": "tensors",
    "resize_array": "reading",
    "resize_planes": "reading",
    "save_image": "writing",
    "save_options": "metadata",
    "size_of": "tensors",
    "srgb_profile": "metadata",
    "titled_row": "sheets",
    "to_array": "reading",
    "to_bytes": "tensors",
    "to_pil": "tensors",
    "to_rgb": "reading",
    "to_tensor": "tensors",
    "trust_files": "formats",
    "upright": "reading",
    "write_animation": "animation",
    "write_image": "writing",
}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        globals()[name] = value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

from .animation import (
    Animation as Animation,
    animation_format as animation_format,
    is_animated as is_animated,
    write_animation as write_animation,
)
from .formats import (
    File as File,
    describe_skipped as describe_skipped,
    is_picture as is_picture,
    pictures_in as pictures_in,
    size_and_frames as size_and_frames,
    trust_files as trust_files,
)
from .inputs import expand as expand
from .metadata import (
    exif_of as exif_of,
    kept_info as kept_info,
    save_options as save_options,
    srgb_profile as srgb_profile,
)
from .outputs import (
    Job as Job,
    ending_of as ending_of,
    plan_labelled as plan_labelled,
    plan_output as plan_output,
    plan_outputs as plan_outputs,
)
from .photos import (
    Photo as Photo,
    as_picture as as_picture,
    read_photo as read_photo,
)
from .reading import (
    PILImage as PILImage,
    Source as Source,
    alpha_of as alpha_of,
    check_range as check_range,
    from_array as from_array,
    image_of as image_of,
    is_transparent as is_transparent,
    open_image as open_image,
    resize_array as resize_array,
    resize_planes as resize_planes,
    to_array as to_array,
    to_rgb as to_rgb,
    upright as upright,
)
from .sheets import (
    grid as grid,
    grid_size as grid_size,
    titled_row as titled_row,
)
from .tensors import (
    check_tensor as check_tensor,
    from_bytes as from_bytes,
    resize as resize,
    size_of as size_of,
    to_bytes as to_bytes,
    to_pil as to_pil,
    to_tensor as to_tensor,
)
from .writing import (
    QUALITY as QUALITY,
    check_longest as check_longest,
    check_output as check_output,
    check_quality as check_quality,
    check_repaint as check_repaint,
    output_format as output_format,
    save_image as save_image,
    write_image as write_image,
)

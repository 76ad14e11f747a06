"""The styles: paintings to train on, and the bundled weights of trained networks.

`catalogue` finds a style by its name, its file or its address, and `download` fetches paintings
from the web. `paintings/` holds the bundled pictures, and `weights/` the trained networks. PyTorch
is loaded only when a painting is read as a tensor.
"""

from hrstyle.styles.catalogue import (
    BASE,
    CONFIGS,
    LARGEST,
    PICTURES,
    WEIGHTS,
    Style,
    StyleSet,
    check_name,
    find,
    gallery,
    list_styles,
    picture_names,
    weights_file,
    weights_path,
)

__all__ = [
    "BASE",
    "CONFIGS",
    "LARGEST",
    "PICTURES",
    "WEIGHTS",
    "Style",
    "StyleSet",
    "check_name",
    "find",
    "gallery",
    "list_styles",
    "picture_names",
    "weights_file",
    "weights_path",
]

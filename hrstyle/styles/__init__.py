"""The styles: paintings to train on, and the bundled weights of trained networks.

`catalogue` finds a style by its name, its file or its address, `pictures` finds the files of
paintings, and `download` fetches them from the web. `paintings/` holds the bundled pictures, and
`weights/` the trained networks. PyTorch is loaded only when a painting is read as a tensor.
"""

from hrstyle.styles.catalogue import (
    BASE,
    CONFIGS,
    LARGEST,
    WEIGHTS,
    Style,
    StyleSet,
    check_name,
    find,
    gallery,
    list_styles,
    weights_file,
    weights_path,
)
from hrstyle.styles.pictures import PICTURES, picture_names

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

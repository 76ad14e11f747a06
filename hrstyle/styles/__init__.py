"""The styles: paintings to train on, and the bundled weights of trained networks.

`catalogue` finds a style by its name, its file or its address, `trained` the files of trained
networks, `pictures` those of paintings, and `download` fetches them from the web. `paintings/`
holds the bundled pictures, and `weights/` the trained networks. PyTorch is loaded only when a
painting is read as a tensor.
"""

from hrstyle.styles.catalogue import (
    CONFIGS,
    LARGEST_SIDE,
    Style,
    StyleSet,
    check_name,
    find,
    gallery,
)
from hrstyle.styles.pictures import PICTURES, picture_names
from hrstyle.styles.trained import BASE, WEIGHTS, list_styles, weights_file, weights_path

__all__ = [
    "BASE",
    "CONFIGS",
    "LARGEST_SIDE",
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

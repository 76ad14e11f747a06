"""The styles: paintings to train on, and the trained weights that come with the package.

`catalogue` finds a style by its name, a file or an address, and `download` fetches paintings from
the web. `paintings/` has the pictures that come along, and `weights/` the trained networks. None of
it needs PyTorch until a painting is read as a tensor.
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
    names,
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
    "names",
    "picture_names",
    "weights_file",
    "weights_path",
]

from .engine.options import StylizeOptions as StylizeOptions
from .errors import InputError as InputError
from .generation import generate as generate
from .inference import (
    Stylizer as Stylizer,
    load as load,
)
from .optimization import (
    Progress as Progress,
    Refiner as Refiner,
    optimize as optimize,
)
from .styles.trained import list_styles as list_styles

__version__: str

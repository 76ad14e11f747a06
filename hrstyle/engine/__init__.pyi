from .compiled import compile_model as compile_model
from .devices import (
    best_device as best_device,
    find_device as find_device,
    find_dtype as find_dtype,
)
from .exporting import export as export
from .memory import share_of_free as share_of_free
from .onnx import onnx_bytes as onnx_bytes
from .options import StylizeOptions as StylizeOptions
from .painter import Painter as Painter
from .repainting import repaint as repaint

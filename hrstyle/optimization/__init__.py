"""Image optimisation: change the pixels of a picture, without training, until its loss is low.

`coarse_to_fine` has `hrstyle.optimize`, which doubles the picture's size in between.
`gradient_descent` is its inner loop, with L-BFGS or Adam. `refinement` has `hrstyle.Refiner`, which
fits a style's network to a single photo.
"""

from hrstyle.optimization.coarse_to_fine import Progress, optimize
from hrstyle.optimization.refinement import Refiner

__all__ = ["Progress", "Refiner", "optimize"]

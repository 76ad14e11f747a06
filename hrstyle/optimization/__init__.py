"""Image optimisation: nothing is trained, a picture's own pixels change until the loss is low.

`coarse_to_fine` is what users call, as `hrstyle.optimize`: photo, style and weights to a picture
that grows while it is optimised. `gradient_descent` is the loop inside, by L-BFGS or Adam.
`refinement` fits a style's network, rather than a picture, to a single photo.
"""

from hrstyle.optimization.coarse_to_fine import Progress, optimize
from hrstyle.optimization.refinement import Refiner

__all__ = ["Progress", "Refiner", "optimize"]

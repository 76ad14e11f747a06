"""Image optimisation: nothing is trained, a picture's own pixels change until the loss is low.

`coarse_to_fine` is what users call, as `hrstyle.optimize`: photo, style and weights to a picture
that grows while it is optimised. `gradient_descent` is the loop inside, by L-BFGS or Adam.
"""

from hrstyle.optimization.coarse_to_fine import Progress, optimize

__all__ = ["Progress", "optimize"]

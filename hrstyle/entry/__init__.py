"""What the Hydra programs `hrstyle.train` and `hrstyle.repaint` share.

`program` registers configs, runs jobs and explains errors in a sentence. `overrides` quotes file
names for Hydra's grammar, and `suggestions` asks what a wrong setting was meant to be.
"""

from hrstyle.entry.program import (
    bad_input_exits,
    explain,
    register_config,
    register_trainer,
    require_all,
    run_program,
    simplify_warnings,
)

__all__ = [
    "bad_input_exits",
    "explain",
    "register_config",
    "register_trainer",
    "require_all",
    "run_program",
    "simplify_warnings",
]

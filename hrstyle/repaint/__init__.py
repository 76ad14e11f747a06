"""Repaint a folder of any size on any number of devices: `hrstyle repaint`, or `repaint(...)`.

`run` is one job from start to end. `photos` splits the photos between the processes, and `module`
is the LightningModule that repaints and writes them. `__main__` composes the settings with Hydra;
`config.yaml` has the settings and their help.
"""

from hrstyle.repaint.run import repaint

__all__ = ["repaint"]

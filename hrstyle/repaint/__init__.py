"""Repainting a folder of any size, on any number of devices: `python -m hrstyle.repaint`."""

from hrstyle.repaint.run import repaint

__all__ = ["repaint"]

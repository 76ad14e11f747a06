"""Repaint clips, picture by picture, with their times and their sound.

It needs PyAV and OpenCV: `pip install 'hrstyle[video]'`.
"""

from hrstyle.errors import InputError

try:
    from hrstyle.video.repainting import Repainted, repaint_video
except ImportError as error:
    raise InputError(f"video needs more ({error}); run: pip install 'hrstyle[video]'") from error

__all__ = ["Repainted", "repaint_video"]

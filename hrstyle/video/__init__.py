"""Repaint clips, picture by picture, with their times and their sound.

It needs PyAV and OpenCV: `pip install 'hrstyle[video]'`.
"""

try:
    from hrstyle.video.repainting import Repainted, repaint_video
except ImportError as error:
    raise ImportError(
        f"hrstyle.video needs PyAV and OpenCV ({error}); run: pip install 'hrstyle[video]'",
        name=error.name,
    ) from error

__all__ = ["Repainted", "repaint_video"]

"""Repaint clips frame by frame, and keep their times and sound.

`repainting` has `repaint_video`. `reading` decodes a clip, `writing` encodes the result, and
`steady` reduces flicker. `formats` are those of results, `pixels` converts frames, and `tracks`
are sound and subtitles. All need PyAV and OpenCV: `pip install 'hrstyle[video]'`. Without them,
importing this package raises ImportError.
"""

try:
    from hrstyle.video.repainting import Repainted, repaint_video
except ImportError as error:
    raise ImportError(
        f"hrstyle.video needs PyAV and OpenCV ({error}); run: pip install 'hrstyle[video]'",
        name=error.name,
    ) from error

__all__ = ["Repainted", "repaint_video"]

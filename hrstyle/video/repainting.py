"""`repaint_video`: read a clip, repaint its frames, and write the result."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hrstyle.errors import InputError
from hrstyle.files import expand_user, open_atomically, refuse_existing
from hrstyle.inference import Stylizer
from hrstyle.options import StylizeOptions, changed
from hrstyle.video.reading import Clip, Picture
from hrstyle.video.steady import Steady
from hrstyle.video.writing import Writer, check_ending, has_sound, writable_size

_CONTAINER_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder"}
"""Tags that describe the file, not the clip; the result gets its own."""


@dataclass(frozen=True)
class Repainted:
    """The result of `repaint_video`.

    Attributes:
        path: the file.
        size: width and height.
        pictures: number of frames.
        seconds: duration of the frames.
        sound: number of sound tracks.
        damaged: whether some of the clip could not be read, for example because it was truncated.
    """

    path: Path
    size: tuple[int, int]
    pictures: int
    seconds: float
    sound: int
    damaged: bool


def repaint_video(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    stylizer: Stylizer,
    *,
    start: float = 0.0,
    end: float | None = None,
    crf: float | None = None,
    steady: float = 1.0,
    overwrite: bool = False,
    progress: bool = False,
    options: StylizeOptions | None = None,
    **changes: Any,
) -> Repainted:
    """Repaint a clip. The result keeps the frames' times, also of variable rate, and the sound.

    The result is stored upright with square pixels, also if the clip relies on the player for that.
    Memory does not grow with the clip's length. The file is written under a temporary name and
    renamed at the end.

    Args:
        source: the clip, in any format that FFmpeg reads. `~` is the user's folder, here and in
            `target`.
        target: the result: `.mp4`, `.m4v`, `.mov` or `.mkv` (H.264, which needs even sides, so an
            odd side loses a pixel), `.webm` (VP9), or `.gif` or `.webp`, without sound.
        stylizer: the style, from `hrstyle.load`.
        start, end: the part to repaint, in seconds from the clip's beginning; `end` None: to its
            end. The sound is cut between packets, so to within some hundredths of a second.
        crf: constant rate factor of the encoder, from 0 (best) to 51 (63 for `.webm`); None: 20.
        steady: how far strokes move with the scene instead of being painted independently in each
            frame, from 0 to 1; see `hrstyle.video.steady`.
        overwrite: whether an existing file may be replaced.
        progress: show a progress bar.
        options, changes: see `Stylizer.stylize`; they apply to all frames.

    Raises:
        InputError: an impossible setting or name; a clip that cannot be read, or whose sound the
            result's format cannot hold. Nothing is repainted then.
    """
    source, target = Path(expand_user(source)), Path(expand_user(target))
    options = changed(options, changes)
    check_ending(target, crf)
    steady_pictures = Steady(steady)
    if source.exists() and target.exists() and target.samefile(source):
        raise InputError(f"{target} is the clip itself; choose another name")
    if not overwrite:
        refuse_existing([target])
    with Clip(source, start=start, end=end) as clip, open_atomically(target) as file:
        shape = writable_size(target, _result_size(clip.size, options))
        sound = clip.sound if has_sound(target) else []
        at_size = replace(options, size=None)  # frames are read at the result's size
        pictures = end_pts = 0
        with (
            Writer(
                file,
                target,
                size=shape,
                rate=clip.rate,
                time_base=clip.time_base,
                crf=crf,
                sound=sound,
                tags={k: v for k, v in clip.tags.items() if k not in _CONTAINER_TAGS},
            ) as writer,
            tqdm(
                total=clip.expected,
                unit="frame",
                desc="painting",
                disable=not progress,
                file=sys.stderr,
                leave=False,
            ) as bar,
        ):
            for part in clip:
                if isinstance(part, Picture):
                    bar.update()
                    if not writer.accepts(part.pts):
                        continue
                    pixels = clip.pixels(part, shape)
                    painted = np.asarray(stylizer.stylize(pixels, options=at_size))
                    writer.add_picture(steady_pictures(pixels, painted), part.pts, part.duration)
                    end_pts = part.pts + part.duration
                    pictures += 1
                elif sound:
                    writer.add_sound(part.packet, part.track)
    return Repainted(
        target, shape, pictures, float(end_pts * clip.time_base), len(sound), clip.damaged
    )


def _result_size(size: tuple[int, int], options: StylizeOptions) -> tuple[int, int]:
    """Width and height of the result for a clip of this size."""
    height, width = options.result_size(size[::-1])
    return width, height

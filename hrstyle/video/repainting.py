"""`repaint_video`: read a clip, repaint its frames, and write the result."""

import os
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hrstyle.engine.options import StylizeOptions, changed
from hrstyle.errors import InputError
from hrstyle.files import expand_user, open_atomically, refuse_existing
from hrstyle.inference import Stylizer
from hrstyle.pipeline import prefetched
from hrstyle.video.formats import (
    check_ending,
    holds_sound,
    holds_transparency,
    writable_size,
)
from hrstyle.video.reading import Clip, Packet, Picture
from hrstyle.video.steady import Steady
from hrstyle.video.tracks import describe
from hrstyle.video.writing import Writer

_CONTAINER_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder"}
"""Tags that describe the file, not the clip; the result gets its own."""


@dataclass(frozen=True)
class Repainted:
    """The result of `repaint_video`.

    Attributes:
        path: the file.
        size: height and width.
        pictures: number of frames.
        seconds: duration of the frames.
        sound: number of the clip's sound tracks that are kept.
        damaged: whether some of the clip could not be read, for example because it was truncated.
        notes: what could not be kept as it was, each as a clause.
    """

    path: Path
    size: tuple[int, int]
    pictures: int
    seconds: float
    sound: int
    damaged: bool
    notes: tuple[str, ...]


def repaint_video(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    stylizer: Stylizer,
    *,
    start: float = 0.0,
    end: float | None = None,
    crf: float | None = None,
    steady: float = 1.0,
    sound: bool = True,
    overwrite: bool = False,
    progress: bool = False,
    options: StylizeOptions | None = None,
    **changes: Any,
) -> Repainted:
    """Repaint a clip. The result keeps the frames' times, also of variable rate, and the sound.

    The result is stored upright with square pixels, also if the clip relies on the player for that.
    HDR is tone-mapped. Sound and subtitles are converted if the result's format cannot hold them as
    they are. Transparency is kept where the format has it; else what is invisible is filled with
    the colours around it. Memory does not grow with the clip's length. The file is written under a
    temporary name and renamed at the end.

    Args:
        path: the clip, in any format that FFmpeg reads. `~` is the user's folder, here and in
            `output`.
        output: the result: `.mp4`, `.m4v`, `.mov` or `.mkv` (H.264, which needs even sides, so an
            odd side loses a pixel; a transparent `.mov` is ProRes 4444), `.webm` (VP9), or `.gif`
            or `.webp`, without sound.
        stylizer: the style, from `hrstyle.load`.
        start, end: the part to repaint, in seconds from the clip's beginning; `end` None: to its
            end. The sound is cut between packets, so to within some hundredths of a second.
        crf: constant rate factor of the encoder, from 0 (best) to 51 (63 for `.webm`); None: 20.
        steady: how far strokes move with the scene instead of being painted independently in each
            frame, from 0 to 1; see `hrstyle.video.steady`.
        sound: whether to keep the sound.
        overwrite: whether an existing file may be replaced.
        progress: show a progress bar.
        options, changes: see `Stylizer.stylize`; they apply to all frames.

    Raises:
        InputError: an impossible setting or name, or a clip that cannot be read. Nothing is
            repainted then.
    """
    path, output = Path(expand_user(path)), Path(expand_user(output))
    options = changed(options, changes)
    check_ending(output, crf)
    steady_pictures = Steady(steady)
    if path.exists() and output.exists() and output.samefile(path):
        raise InputError(f"{output} is the clip itself; choose another name")
    if not overwrite:
        refuse_existing([output])
    with Clip(path, start=start, end=end) as clip, open_atomically(output) as file:
        size = writable_size(output, options.result_size(clip.size))
        wanted = [s for s in clip.tracks if sound or s.type != "audio"]
        tracks, unheld = (wanted, []) if holds_sound(output) else ([], wanted)
        transparent = clip.transparent and holds_transparency(output)
        at_size = replace(options, size=None)  # frames are read at the result's size
        pictures = end_pts = 0
        is_filled = False
        with (
            Writer(
                file,
                output,
                size=size,
                rate=clip.rate,
                time_base=clip.time_base,
                crf=crf,
                transparent=transparent,
                tracks=tracks,
                chapters=clip.chapters if holds_sound(output) else [],
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
            # Reading and painting run in threads of their own; this one steadies and encodes.
            frames = prefetched(_read(clip, writer, size))
            with closing(prefetched(_paint(frames, stylizer, at_size))) as parts:
                for part, pixels, painted in parts:
                    if isinstance(part, Packet):
                        if clip.tracks[part.track] in tracks:
                            writer.add_packet(part.packet, tracks.index(clip.tracks[part.track]))
                        continue
                    bar.update()
                    if pixels is None:
                        continue
                    colours, alpha = pixels[..., :3], pixels[..., 3:]
                    is_filled |= not transparent and bool((alpha == 0).any())
                    painted = steady_pictures(np.ascontiguousarray(colours), painted)
                    if transparent:
                        painted = np.concatenate([painted, alpha], 2)
                    writer.add_picture(painted, part.pts, part.duration)
                    end_pts = part.pts + part.duration
                    pictures += 1
        kept_sound = sum(stream.type == "audio" for stream in writer.kept)
        notes = [*writer.notes, *_not_kept(clip, output, is_filled)]
        notes += [f"left out: the {describe(s)}, for {output.suffix} has none" for s in unheld]
    return Repainted(
        path=output,
        size=size,
        pictures=pictures,
        seconds=float(end_pts * clip.time_base),
        sound=kept_sound,
        damaged=clip.damaged,
        notes=tuple(notes),
    )


def _read(
    clip: Clip, writer: Writer, size: tuple[int, int]
) -> Generator[tuple[Picture | Packet, Any], None, None]:
    """The parts of a clip, with the pixels of those frames that the writer accepts, or None."""
    for part in clip:
        if isinstance(part, Picture) and writer.accepts(part.pts):
            yield part, clip.pixels(part, size)
        else:
            yield part, None


def _paint(
    parts: Generator[tuple[Picture | Packet, Any], None, None],
    stylizer: Stylizer,
    options: StylizeOptions,
) -> Generator[tuple[Picture | Packet, Any, Any], None, None]:
    """What `_read` yields, and the repainted pixels, or None."""
    with closing(parts):
        for part, pixels in parts:
            painted = None
            if pixels is not None:
                painted = np.asarray(stylizer.stylize(pixels[..., :3], options=options))
            yield part, pixels, painted


def _not_kept(clip: Clip, output: Path, is_filled: bool) -> Iterator[str]:
    if is_filled:
        yield (
            f"what is invisible is filled with colours, for {output.suffix} has no transparency;"
            " .webm, .mov, .webp and .gif do"
        )
    for name, count in Counter(clip.ignored).items():
        yield f"left out: {count} {name}{'s' if count > 1 else ''}"

"""Repaint files into files; threads read and write while the main thread repaints."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tqdm import tqdm

from hrstyle.engine.options import StylizeOptions
from hrstyle.errors import PICTURE_ERRORS, InputError
from hrstyle.files import open_atomically
from hrstyle.images.animation import Animation, write_animation
from hrstyle.images.outputs import Job
from hrstyle.images.reading import PILImage
from hrstyle.images.writing import check_repaint, write_image
from hrstyle.pipeline import in_order

if TYPE_CHECKING:
    from hrstyle.cli.quick import QuickStylizer
    from hrstyle.inference import Stylizer
    from hrstyle.optimization.refinement import Refiner


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a job, or its error.

    Args:
        source, target: see `hrstyle.images.Job`.
        size: the result's width and height.
        frames: number of frames of the result.
        error: the reason why there is no result, or None.
    """

    source: Path | IO[bytes]
    target: Path
    size: tuple[int, int] = (0, 0)
    frames: int = 1
    error: Exception | None = None


def repaint_files(
    stylizer: "Stylizer | QuickStylizer | Refiner",
    jobs: Sequence[Job],
    *,
    to: IO[bytes] | None = None,
    quality: int | None = None,
    strip: bool = False,
    progress: bool = False,
    options: StylizeOptions,
) -> Iterator[Outcome]:
    """Repaint pictures into files; a failure does not stop the others, and leaves no partial file.

    Args:
        stylizer: repaints the pictures.
        jobs: from `hrstyle.images.plan_outputs`. Those whose result its format cannot hold come
            first, and the animations last.
        to: write to this open file instead; the job's target still gives the format.
        quality, strip: see `hrstyle.images.save_image`.
        progress: show a progress bar while a picture is streamed, or for an animation's frames.
        options: how the pictures are repainted.

    Yields:
        An `Outcome` for each job.
    """
    saving: dict[str, Any] = {"quality": quality, "strip": strip}

    def write(work: tuple[Job, "PILImage | Exception"]) -> tuple[int, int]:
        job, result = work
        if isinstance(result, Exception):
            raise result
        with _opened(job.target, to) as file:
            write_image(result, file, job.target, **saving)
        return result.size

    stills: list[Job] = []
    animations: list[Job] = []
    for job in jobs:
        try:
            check_repaint(job.source, job.target, size=options.size)
        except InputError as error:
            yield Outcome(source=job.source, target=job.target, error=error)
        else:
            (animations if job.animated else stills).append(job)
    results = stylizer.stylize_many(
        (job.source for job in stills),
        return_exceptions=True,
        progress=progress,
        options=options,
    )
    written = in_order(write, zip(stills, results, strict=True))
    for (source, target, _), future in zip(stills, written, strict=True):
        try:
            yield Outcome(source=source, target=target, size=future.result())
        except PICTURE_ERRORS as error:
            yield Outcome(source=source, target=target, error=error)
    for source, target, _ in animations:
        try:
            animation = Animation(source)
            frames = stylizer.stylize_many(animation, options=options)
            bar = {"total": animation.count, "unit": "frame", "leave": False}
            with _opened(target, to) as file:
                shown = tqdm(frames, disable=not progress, **bar)
                size = write_animation(shown, animation, file, target, **saving)
            yield Outcome(source=source, target=target, size=size, frames=animation.count)
        except PICTURE_ERRORS as error:
            yield Outcome(source=source, target=target, error=error)


@contextmanager
def _opened(target: Path, to: IO[bytes] | None) -> Iterator[IO[bytes]]:
    """The file to write a result to; a result that fails halfway leaves nothing there."""
    if to is None:
        with open_atomically(target) as file:
            yield file
        return
    data = io.BytesIO()
    yield data
    to.write(data.getbuffer())
    to.flush()

"""Animated pictures: GIF, WebP and APNG, frame by frame.

Frames are read one at a time, and the new ones wait in a temporary file. Of what is written, Pillow
gathers a GIF (a byte a pixel) and an APNG in memory; a WebP goes out frame by frame.
"""

import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any

from PIL import Image
from PIL.TiffImagePlugin import AppendingTiffWriter

from hrstyle.errors import InputError
from hrstyle.images.formats import open_file
from hrstyle.images.metadata import save_options
from hrstyle.images.writing import QUALITY, check_quality

PILImage = Image.Image
FORMATS = ("GIF", "WEBP", "PNG")
_UNSAID = 100
"""Milliseconds for which browsers show a frame that does not say how long."""


def is_animated(source: str | os.PathLike[str] | IO[bytes]) -> bool:
    """Whether a file holds several frames in one of `FORMATS`; False if it is no picture."""
    if isinstance(source, str | os.PathLike) and _format_of(source) not in FORMATS:
        return False
    try:
        with open_file(source) as image:
            return image.format in FORMATS and getattr(image, "is_animated", False)
    except Exception:  # what is wrong with it, `open_image` will say
        return False


def animation_format(path: str | os.PathLike[str]) -> str:
    """Pillow's name of the format that an animation's file has by its name.

    Raises:
        InputError: an ending of another format.
    """
    file_format = _format_of(path)
    if file_format not in FORMATS:
        raise InputError(f"{path} cannot hold an animation; end its name in .gif, .webp or .png")
    return file_format


def _format_of(path: str | os.PathLike[str]) -> str:
    return Image.registered_extensions().get(Path(path).suffix.lower(), "")


class Animation:
    """An animated picture to read.

    Args:
        source: a file's path, or the file, open.

    Attributes:
        count: how many frames there are.
        plays: how often they are shown; 0 is without end.
        durations: of the frames read so far, in milliseconds.

    Raises:
        InputError: a file that is damaged.
    """

    def __init__(self, source: str | os.PathLike[str] | IO[bytes]):
        self.durations: list[float] = []
        self._source = source
        with self._open() as image:
            # Of an APNG, the picture for who knows no animations.
            self._first = int(image.info.get("default_image", False))
            self.count: int = image.n_frames - self._first
            loop = image.info.get("loop")
            if image.format == "GIF":  # which says how often it is shown again
                self.plays: int = 1 if loop is None else loop and loop + 1
            else:
                self.plays = loop or 0

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            with open_file(self._source) as image:
                yield image
        except (EOFError, OSError, SyntaxError, ValueError) as error:
            name = self._source if isinstance(self._source, str | os.PathLike) else "the input"
            raise InputError(f"{name} is damaged at frame {len(self.durations) + 1}") from error

    def __iter__(self) -> Iterator[PILImage]:
        """The frames, whole, one at a time.

        Raises:
            InputError: a file that is cut off.
        """
        self.durations.clear()
        with self._open() as image:
            for number in range(self._first, self._first + self.count):
                image.seek(number)
                frame = image.copy()
                self.durations.append(image.info.get("duration") or _UNSAID)
                yield frame


def write_animation(
    frames: Iterable[PILImage],
    like: Animation,
    file: IO[bytes],
    name: str | os.PathLike[str],
    *,
    quality: int | None = None,
    strip: bool = False,
) -> tuple[int, int]:
    """Write sRGB frames with the times of the animation that they were made from.

    Args:
        frames: made from `like`'s, one by one.
        like: tells the durations, and how often to play.
        file: where to, open.
        name: its ending says the format.
        quality, strip: see `hrstyle.images.save_image`.

    Returns:
        Width and height.

    Raises:
        InputError: see `animation_format`; what `frames` raises; or no room for the frames.
    """
    file_format = animation_format(name)
    check_quality(quality)
    transparent: bool = False
    with TemporaryFile() as spool:
        with AppendingTiffWriter(spool) as writer:
            for frame in frames:
                transparent |= frame.mode == "RGBA" and frame.getchannel("A").getextrema() != (
                    255,
                    255,
                )
                try:
                    frame.save(writer, "TIFF", big_tiff=True)  # of more than 4 GB, too
                    writer.newFrame()
                except OSError as error:
                    raise InputError(
                        f"cannot keep the frames in {gettempdir()}: {error.strerror or error}; make"
                        " room there, or set TMPDIR to another folder"
                    ) from error
        with Image.open(spool) as painted:
            options = save_options(frame, file_format, strip=strip)
            options |= {"save_all": True, "duration": like.durations}
            if file_format == "GIF":
                options["duration"] = _in_hundredths(like.durations)
                options["disposal"] = 2 if transparent else 0  # 2: what was there is cleared
                if like.plays != 1:
                    options["loop"] = max(0, like.plays - 1)
            else:
                options["loop"] = like.plays
            if file_format == "WEBP":
                options["quality"] = QUALITY if quality is None else quality
            painted.save(file, file_format, **options)
            return painted.size


def _in_hundredths(durations: Iterable[float]) -> list[int]:
    """Milliseconds, rounded to tens so that the sum does not drift."""
    ends = [10 * round(end / 10) for end in itertools.accumulate(durations, initial=0)]
    return [end - start for start, end in itertools.pairwise(ends)]

"""Animated pictures: GIF, WebP and APNG, frame by frame.

Frames are read one at a time, and new frames are stored in a temporary file until all are there.
Then Pillow writes them: a WebP frame by frame; of a GIF (one byte per pixel) or an APNG it holds
all frames in memory.
"""

import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any

from PIL import Image
from PIL.TiffImagePlugin import AppendingTiffWriter

from hrstyle.errors import InputError
from hrstyle.images.formats import PILImage, format_name, open_file
from hrstyle.images.metadata import save_options
from hrstyle.images.reading import is_transparent
from hrstyle.images.writing import QUALITY, check_quality

FORMATS = ("GIF", "WEBP", "PNG")
_DEFAULT_DURATION = 100
"""Milliseconds for which browsers show a frame without a duration."""


def is_animated(source: str | os.PathLike[str] | IO[bytes]) -> bool:
    """Whether a file holds several frames in one of `FORMATS`; False if it is not a picture."""
    if isinstance(source, str | os.PathLike) and format_name(source) not in FORMATS:
        return False
    try:
        with open_file(source) as image:
            return image.format in FORMATS and getattr(image, "is_animated", False)
    except Exception:  # `open_image` reports what is wrong with the file
        return False


def animation_format(path: str | os.PathLike[str]) -> str:
    """Pillow's name of the animation format that the file name's ending stands for.

    Raises:
        InputError: an ending that is not of one of `FORMATS`.
    """
    file_format = format_name(path)
    if file_format not in FORMATS:
        raise InputError(f"{path} cannot hold an animation; end its name in .gif, .webp or .png")
    return file_format


class Animation:
    """An animated picture; iterating over it reads its frames.

    Args:
        source: path of the file, or an open file.

    Attributes:
        count: number of frames.
        plays: how many times the animation is played; 0 means for ever.
        durations: durations of the frames read so far, in milliseconds.

    Raises:
        InputError: the file is damaged.
    """

    def __init__(self, source: str | os.PathLike[str] | IO[bytes]):
        self.durations: list[float] = []
        self._source = source
        with self._open() as image:
            # An APNG may begin with a still picture for programs without animation support.
            self._first = int(image.info.get("default_image", False))
            self.count: int = image.n_frames - self._first
            loop = image.info.get("loop")
            if image.format == "GIF":  # its `loop` counts repetitions, not plays
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
        """Yield the frames one at a time, each as a whole picture.

        Raises:
            InputError: the file is damaged or cut off.
        """
        self.durations.clear()
        with self._open() as image:
            for number in range(self._first, self._first + self.count):
                image.seek(number)
                frame = image.copy()
                self.durations.append(image.info.get("duration") or _DEFAULT_DURATION)
                yield frame


def write_animation(
    frames: Iterable[PILImage],
    original: Animation,
    file: IO[bytes],
    name: str | os.PathLike[str],
    *,
    quality: int | None = None,
    strip: bool = False,
) -> tuple[int, int]:
    """Write sRGB frames as an animation with the timing of the original.

    Args:
        frames: the new frames, made one by one from those of `original`.
        original: the animation whose durations and number of plays are used.
        file: an open file to write to.
        name: file name, whose ending gives the format.
        quality, strip: see `hrstyle.images.save_image`.

    Returns:
        Width and height of the frames.

    Raises:
        InputError: see `animation_format`; an error of `frames`; or no disk space for the frames.
    """
    file_format = animation_format(name)
    check_quality(quality)
    transparent = False
    with TemporaryFile() as spool:
        with AppendingTiffWriter(spool) as writer:
            for frame in frames:
                transparent |= is_transparent(frame)
                try:
                    frame.save(writer, "TIFF", big_tiff=True)  # a plain TIFF ends at 4 GB
                    writer.newFrame()
                except OSError as error:
                    raise InputError(
                        f"cannot store the frames in {gettempdir()}: {error.strerror or error};"
                        " make room there, or set TMPDIR to another folder"
                    ) from error
        with Image.open(spool) as painted:
            options = save_options(frame, file_format, strip=strip)
            options |= {"save_all": True, "duration": original.durations}
            if file_format == "GIF":
                options["duration"] = _rounded_to_10_ms(original.durations)
                options["disposal"] = 2 if transparent else 0  # 2: clear before the next frame
                if original.plays != 1:
                    options["loop"] = max(0, original.plays - 1)
            else:
                options["loop"] = original.plays
            if file_format == "WEBP":
                options["quality"] = QUALITY if quality is None else quality
            painted.save(file, file_format, **options)
            return painted.size


def _rounded_to_10_ms(durations: Iterable[float]) -> list[int]:
    """Milliseconds, rounded to tens without the rounding errors adding up."""
    ends = [10 * round(end / 10) for end in itertools.accumulate(durations, initial=0)]
    return [end - start for start, end in itertools.pairwise(ends)]

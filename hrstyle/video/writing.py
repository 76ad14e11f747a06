"""Encode clips: RGB frames at their times, and unchanged packets of sound."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hrstyle.errors import InputError

CRF = 20.0
"""Default constant rate factor; a lower one is better and gives a larger file."""
_BT709, _LIMITED = 1, 1  # AVCOL_…_BT709, AVCOL_RANGE_MPEG


@dataclass(frozen=True)
class _Format:
    """How files with an ending are encoded."""

    muxer: str
    codec: str
    pixels: str = "yuv420p"
    worst: float | None = 51
    """Maximal constant rate factor, or None if the codec has none."""
    even: bool = False
    """Whether both sides must be even."""
    sound: bool = True
    shortest: Fraction = Fraction(0)
    """Minimal time between two frames, in seconds."""
    options: Mapping[str, str] = field(default_factory=dict)


_FORMATS = {
    ".mp4": _Format("mp4", "libx264", even=True),
    ".m4v": _Format("mp4", "libx264", even=True),
    ".mov": _Format("mov", "libx264", even=True),
    ".mkv": _Format("matroska", "libx264", even=True),
    ".webm": _Format(
        "webm",
        "libvpx-vp9",
        worst=63,
        options={"b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
    ),
    # Browsers show a GIF's frames for 1/10 s if they are shorter than 1/50 s.
    ".gif": _Format("gif", "gif", "pal8", worst=None, sound=False, shortest=Fraction(1, 50)),
    ".webp": _Format(
        "webp",
        "libwebp_anim",
        "bgra",
        worst=None,
        sound=False,
        options={"quality": "85"},
    ),
}


def check_ending(path: str | os.PathLike[str], crf: float | None = None) -> None:
    """Check that a clip can be written under this name with this constant rate factor.

    Raises:
        InputError: an unknown ending; a factor that is out of range or unused by the format.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise InputError(f"{path}: no such clip type as {suffix!r}; use {', '.join(_FORMATS)}")
    worst = _FORMATS[suffix].worst
    if crf is None:
        return
    if worst is None:
        raise InputError(f"crf={crf!r} has no meaning for {suffix}; leave it out")
    if not (isinstance(crf, int | float) and 0 <= crf <= worst):
        raise InputError(f"crf={crf!r} must be from 0 (best) to {worst} (smallest file)")


def writable_size(path: str | os.PathLike[str], size: tuple[int, int]) -> tuple[int, int]:
    """Width and height rounded down to what the format supports."""
    if not _format(path).even:
        return size
    width, height = (max(2, side // 2 * 2) for side in size)
    return width, height


def has_sound(path: str | os.PathLike[str]) -> bool:
    """Whether the format can hold sound."""
    return _format(path).sound


def _format(path: str | os.PathLike[str]) -> _Format:
    return _FORMATS[Path(path).suffix.lower()]


class Writer:
    """Writes a clip; a context manager that completes the file at its end.

    Args:
        file: the file, open for writing.
        path: a name whose ending gives the format; see `check_ending`.
        size: width and height; see `writable_size`.
        rate: approximate frames per second; the frames' own times are used.
        time_base: the unit of these times, in seconds.
        crf: see `CRF`.
        sound: the sound streams whose packets will be added; see `has_sound`.
        tags: metadata such as title and artist.

    Raises:
        InputError: the format cannot hold this sound or pictures of this size.
    """

    def __init__(
        self,
        file: IO[bytes],
        path: str | os.PathLike[str],
        *,
        size: tuple[int, int],
        rate: Fraction,
        time_base: Fraction,
        crf: float | None = None,
        sound: Sequence[Any] = (),
        tags: Mapping[str, str] | None = None,
    ):
        self._format = _format(path)
        self._time_base = time_base
        self._earliest = -math.inf
        self._last_dts: dict[int, int] = {}  # decoding time of each sound track's last packet
        self._durations: dict[int, int] = {}  # of frames in the encoder, by `pts`
        loop = {} if self._format.sound else {"loop": "0"}  # loop forever
        self._container = av.open(file, "w", format=self._format.muxer, options=loop)
        try:
            self._stream = self._add_pictures(size, rate, crf)
            self._tracks = [self._add_track(path, stream) for stream in sound]
            self._container.metadata.update(tags or {})
            self._container.start_encoding()
        except av.FFmpegError as error:
            self._container.close()
            width, height = size
            raise InputError(
                f"{path}: {self._format.codec} does not write {width}x{height} pictures"
                f" ({error.strerror}); try another size or ending"
            ) from error
        except BaseException:
            self._container.close()
            raise

    def _add_pictures(self, size: tuple[int, int], rate: Fraction, crf: float | None) -> Any:
        options = dict(self._format.options)
        if self._format.worst is not None:
            options["crf"] = f"{CRF if crf is None else crf:g}"
        stream: Any = self._container.add_stream(self._format.codec, rate=rate, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = self._format.pixels
        stream.time_base = self._time_base
        context = stream.codec_context
        context.time_base = self._time_base
        if self._format.pixels == "yuv420p":
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _LIMITED
        return stream

    def _add_track(self, path: str | os.PathLike[str], stream: Any) -> Any:
        try:
            track: Any = self._container.add_stream_from_template(stream)
        except ValueError as error:
            raise InputError(
                f"{path}: {Path(path).suffix} cannot hold the clip's sound, which is"
                f" {stream.codec_context.name}; end the name in .mkv"
            ) from error
        track.metadata.update(stream.metadata)
        return track

    def accepts(self, pts: int) -> bool:
        """Whether a frame at this time can be added; False if it follows the last one too soon."""
        return pts >= self._earliest

    def add_picture(self, pixels: NDArray[np.uint8], pts: int, duration: int) -> None:
        """Add a frame `(height, width, 3)`, shown from `pts` for `duration`, in `time_base`."""
        self._earliest = pts + math.ceil(self._format.shortest / self._time_base)
        frame = self._encodable(pixels)
        frame.pts, frame.time_base = pts, self._time_base
        self._durations[pts] = duration
        self._mux(self._stream.encode(frame))

    def _encodable(self, pixels: NDArray[np.uint8]) -> av.VideoFrame:
        if self._format.pixels == "pal8":
            image = Image.fromarray(pixels).quantize(256)
            palette = np.full((256, 4), 255, np.uint8)  # ARGB
            colours = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
            palette[: len(colours), 1:] = colours
            indexed: Any = (np.asarray(image), palette)
            return av.VideoFrame.from_ndarray(indexed, format="pal8")
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        if self._format.pixels == "yuv420p":
            return frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        return frame.reformat(format=self._format.pixels)

    def _mux(self, packets: Sequence[Any]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts)  # encoders do not set it
            self._container.mux(packet)

    def add_sound(self, packet: Any, track: int) -> None:
        """Add a packet of the stream `sound[track]`."""
        packet.stream = self._tracks[track]
        if packet.dts is not None:
            # Only Matroska can hold two packets with the same time.
            if (
                packet.dts == self._last_dts.get(track)
                and self._container.format.name != "matroska"
            ):
                return
            self._last_dts[track] = packet.dts
        self._container.mux(packet)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._mux(self._stream.encode(None))
        finally:
            self._container.close()

"""Decode clips: frames with their times, and packets of sound and subtitles."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from hrstyle.errors import InputError
from hrstyle.files import fix_missing
from hrstyle.video.pixels import Pixels
from hrstyle.video.tracks import chapters_within, ignored_streams

_EXACT_DURATION = {"mov", "matroska", "avi"}
"""Container formats that store the exact duration, which reveals a truncated file."""
_LEAD = Fraction(1, 10)
"""Seconds by which the stated duration may exceed the last time."""
_MAX_KEYFRAME_GAP = 10
"""Assumed maximal time between keyframes in seconds, for formats without a keyframe index."""
_DECODING_TIMES = {"avi", "asf"}
"""Container formats that do not store when frames are shown, only when they are decoded."""
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that read the transparency of WebM; FFmpeg's own, which are the default, do not."""
_SECOND = 1_000_000  # av.time_base, the unit of a container's times


@dataclass(frozen=True)
class Picture:
    """A decoded frame; its times are in the clip's `time_base`, and the result starts at 0."""

    frame: av.VideoFrame
    pts: int
    duration: int


@dataclass(frozen=True)
class Packet:
    """A packet with shifted times; `track` is the index of its stream in `Clip.tracks`."""

    packet: Any
    track: int


class Clip:
    """A clip opened for reading from `start` to `end`; memory does not grow with its length.

    Iterate once to get its `Picture`s and `Packet`s in the order of the file.

    Args:
        path: the file.
        start, end: the part to read, in seconds from the clip's beginning; `end` None: to its end.

    Attributes:
        size: height and width in display orientation, with square pixels.
        transparent: whether its frames have an alpha channel.
        rate: frames per second; an average if the rate is variable.
        time_base: the unit of the frames' times, in seconds.
        tracks: the streams of sound and subtitles.
        chapters: the chapters within the part, as PyAV's dictionaries.
        ignored: a name for each other stream of the file, such as "cover".
        tags: metadata such as title and artist.
        expected: approximate number of frames, or None if unknown.
        damaged: whether some frames could not be read, such as in a truncated clip; final once the
            clip has been read.

    Raises:
        InputError: the file is missing or is no clip, or there is no frame between start and end.
    """

    def __init__(self, path: str | os.PathLike[str], *, start: float = 0.0, end: float | None):
        _check_times(start, end)
        self.path = Path(path)
        self._container = _open(self.path)
        try:
            pictures = [
                stream
                for stream in self._container.streams.video
                if not stream.disposition & Disposition.attached_pic  # the cover of a song
            ]
            if not pictures:
                raise InputError(f"{path} has no pictures, only sound; give a clip")
            self._stream = pictures[0]
            streams = self._container.streams
            self.tracks = [*streams.audio, *streams.subtitles]
            self.ignored = ignored_streams(streams, [self._stream, *self.tracks])
            self.tags = dict(self._container.metadata)
            self._prepare(start, end)
        except BaseException:
            self._container.close()
            raise

    def _prepare(self, start: float, end: float | None) -> None:
        stream, container = self._stream, self._container
        stream.thread_type = "AUTO"
        rate = stream.guessed_rate if stream.guessed_rate is not None else stream.average_rate
        self.rate = rate if rate is not None and rate > 0 else Fraction(25)
        self.time_base = stream.time_base if stream.time_base is not None else Fraction(1, _SECOND)
        begins = [
            s.start_time * s.time_base
            for s in (stream, *container.streams.audio)
            if s.start_time is not None and s.time_base is not None
        ]
        self._first = min(begins, default=Fraction(0))
        self._origin = self._first + Fraction(start)
        self._length = math.inf if end is None else Fraction(end) - Fraction(start)
        duration = None if container.duration is None else Fraction(container.duration, _SECOND)
        self._stated = duration if _EXACT_DURATION & set(container.format.name.split(",")) else None
        if self._stated is not None and start >= self._stated:
            raise InputError(
                f"start={start:g} is not before the end of {self.path}, {float(self._stated):g} s"
            )
        self.expected: int | None = None
        if not start and end is None and stream.frames:
            self.expected = stream.frames
        elif duration is not None:
            seconds = min(self._length, duration - Fraction(start))
            self.expected = max(1, round(seconds * self.rate))
        self.chapters = list(chapters_within(container.chapters(), self._origin, self._length))
        self.damaged = False
        self._decoder = _decoder(stream)
        self._first_dts: int | None = None
        self._delay: int | None = None  # from a packet's decoding to its frame's, with B-frames
        self._last_dts: dict[int, int] = {}  # decoding time of each track's last packet
        self._next_pts = 0  # for frames without a time
        if start:
            early = 0 if self._stated is not None else _MAX_KEYFRAME_GAP
            container.seek(max(0, int((self._origin - early) * _SECOND)))
        parts = self._read()
        first_parts: list[Picture | Packet] = []
        for part in parts:
            first_parts.append(part)
            if isinstance(part, Picture):
                break
        else:
            raise InputError(f"{self.path} has no picture that can be read between start and end")
        self._parts = chain(first_parts, parts)
        aspect = stream.sample_aspect_ratio
        self._pixels = Pixels(part.frame, aspect=aspect, codec=stream.codec_context.name)
        self.size, self.transparent = self._pixels.size, self._pixels.transparent

    def __enter__(self) -> "Clip":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Picture | Packet]:
        return self._parts

    def pixels(self, picture: Picture, size: tuple[int, int]) -> NDArray[np.uint8]:
        """A frame at this height and width: `(height, width, 3)`, or 4 if `transparent`, sRGB."""
        return self._pixels(picture.frame, size)

    def _read(self) -> Iterator[Picture | Packet]:
        tracks = {stream.index: track for track, stream in enumerate(self.tracks)}
        self._open_streams = {self._stream.index, *tracks}
        last: Picture | None = None  # its duration is known once the next frame comes
        for packet in self._packets():
            if packet.stream.index in tracks:  # packet.stream_index is 0 at the end
                if self._shift(packet):
                    yield Packet(packet, tracks[packet.stream.index])
                continue
            for picture in self._decode(packet):
                if last is not None and picture.pts > max(0, last.pts):
                    yield _ending_at(picture.pts, last)
                if picture.pts * self.time_base >= self._length:
                    self._open_streams.discard(packet.stream_index)
                    last = None
                    break
                # In a damaged clip, or in two joined ones, times may go backwards.
                self.damaged |= last is not None and picture.pts < last.pts
                last = picture if last is None or picture.pts > last.pts else last
        if last is not None and last.pts + last.duration > 0:
            yield _ending_at(last.pts + last.duration, last)

    def _packets(self) -> Iterator[Any]:
        """The packets of all streams up to the end of the part."""
        reached = Fraction(0)
        packets = self._container.demux(self._stream, *self.tracks)
        # After the part there may be no subtitles to wait for.
        rare = {stream.index for stream in self.tracks if stream.type == "subtitle"}
        while self._open_streams - rare:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except av.FFmpegError:
                self.damaged = True
                break
            if packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base - self._first
                reached = max(reached, end)
            if packet.stream_index in self._open_streams:
                yield packet
        if self._open_streams - rare and self._stated is not None:
            self.damaged |= reached < self._stated - max(_LEAD, Fraction(3, 2) / self.rate)

    def _shift(self, packet: Any) -> bool:
        """Shift a packet to its time in the result; False if it is not part of the result."""
        if packet.pts is None or packet.is_corrupt:
            self.damaged |= packet.is_corrupt
            return False
        time = packet.pts * packet.time_base - self._origin
        if time >= self._length:
            self._open_streams.discard(packet.stream_index)
            return False
        shift = round(self._origin / packet.time_base)
        packet.pts -= shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        if packet.stream.type == "subtitle" and self._length < math.inf and packet.duration:
            packet.duration = min(packet.duration, round((self._length - time) / packet.time_base))
        if packet.dts is not None:
            if packet.dts < self._last_dts.get(packet.stream_index, -math.inf):
                self.damaged = True  # decoding times must not decrease
                return False
            self._last_dts[packet.stream_index] = packet.dts
        # Packets before a clip's start prepare the decoder.
        return time >= 0 or self._origin == self._first

    def _decode(self, packet: Any) -> Iterator[Picture]:
        """The intact frames that a packet completes."""
        is_used = packet.pts is None or packet.pts * packet.time_base >= self._origin
        self.damaged |= is_used and packet.is_corrupt
        self._first_dts = packet.dts if self._first_dts is None else self._first_dts
        try:
            frames = self._decoder.decode(packet if packet.size else None)
        except av.FFmpegError:
            self.damaged |= is_used
            return
        origin = round(self._origin / self.time_base)
        for frame in frames:
            shown = self._shown(frame)
            pts = self._next_pts if shown is None else shown - origin
            duration = frame.duration or max(1, round(1 / (self.rate * self.time_base)))
            self._next_pts = pts + duration
            if not frame.is_corrupt:
                yield Picture(frame, pts, duration)
            elif pts >= 0:
                self.damaged = True

    def _shown(self, frame: av.VideoFrame) -> int | None:
        """When a frame is shown, or None."""
        if not _DECODING_TIMES & set(self._container.format.name.split(",")):
            return frame.pts
        if frame.dts is None or self._first_dts is None:
            return None  # one of the last frames
        if self._delay is None:
            self._delay = frame.dts - self._first_dts
        return frame.dts - self._delay


def _ending_at(end: int, picture: Picture) -> Picture:
    begin = max(0, picture.pts)
    return Picture(picture.frame, begin, end - begin)


def _decoder(stream: Any) -> Any:
    context = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and context.name in _ALPHA_DECODERS:
        with suppress(ValueError):  # FFmpeg was built without it
            context = av.CodecContext.create(_ALPHA_DECODERS[context.name], "r")
            context.thread_type = "AUTO"
    return context


def _check_times(start: float, end: float | None) -> None:
    if not (isinstance(start, int | float) and 0 <= start < math.inf):
        raise InputError(
            f"start={start!r} must be seconds from the beginning of the clip, at least 0"
        )
    if end is not None and not (isinstance(end, int | float) and start < end < math.inf):
        raise InputError(f"end={end!r} must be seconds, more than start={start!r}")


def _open(path: Path) -> Any:
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a clip in it")
    try:
        # Without the prefix, a name such as a:b.mp4 would be taken as an address.
        return av.open(f"file:{path}", metadata_errors="replace")
    except FileNotFoundError as error:
        raise InputError(f"no such clip: {path}; {fix_missing(path)}") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} is not a clip that can be read: {reason}") from error

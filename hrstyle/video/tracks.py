"""What a clip holds besides its frames: sound, subtitles and chapters.

A track is copied packet by packet where the result's container can hold it, and converted where it
cannot.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
from av.stream import Discard, Disposition

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
"""Layout that sound of a number of channels is converted to; others become stereo."""
_BITS_PER_CHANNEL = 96_000
_RATE = 48_000
"""Sampling rate of converted sound, in Hz; Opus has no other above 24 kHz."""

_KINDS = {"video": "video track", "data": "data track", "attachment": "attachment"}


class CopiedTrack:
    """A track whose packets stay as they are.

    Args:
        container: the result, open for writing.
        stream: the stream of the clip.

    Attributes:
        stream: the stream of the result.
        codec: name of the encoder, or None.
    """

    codec: str | None = None

    def __init__(self, container: Any, stream: Any):
        self.stream = container.add_stream_from_template(stream)

    def packets(self, packet: Any) -> list[Any]:
        """What to write for a packet of the clip; None: at the end."""
        if packet is None:
            return []
        packet.stream = self.stream
        return [packet]


class ConvertedSound:
    """A track of sound that is decoded and encoded anew.

    Args:
        container, stream: see `CopiedTrack`.
        codec: name of the encoder.
    """

    def __init__(self, container: Any, stream: Any, codec: str):
        layout = _LAYOUTS.get(stream.codec_context.layout.nb_channels, "stereo")
        self._decoder = stream.codec_context
        self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=_RATE)
        self.codec: str | None = codec
        self.stream = container.add_stream(codec, rate=_RATE, layout=layout)
        self.stream.bit_rate = _BITS_PER_CHANNEL * self.stream.codec_context.layout.nb_channels

    def packets(self, packet: Any) -> list[Any]:
        """What to write for a packet of the clip; None: at the end. Damaged packets are skipped."""
        frames: list[Any]
        try:
            frames = self._decoder.decode(packet)
        except av.FFmpegError:
            frames = []
        converted = [out for frame in frames for out in self._resampler.resample(frame)]
        if packet is None:
            converted += self._resampler.resample(None)
        packets = [done for frame in converted for done in self.stream.encode(frame)]
        return packets + (self.stream.encode(None) if packet is None else [])


class ConvertedSubtitles:
    """A track of text subtitles that is written in the container's own form.

    Args:
        container, stream, codec: see `ConvertedSound`.
    """

    def __init__(self, container: Any, stream: Any, codec: str):
        self._decoder = stream.codec_context
        self._decoder.open(strict=False)
        self.codec: str | None = codec
        self.stream = container.add_stream(codec)
        self.stream.codec_context.subtitle_header = self._decoder.subtitle_header

    def packets(self, packet: Any) -> list[Any]:
        """What to write for a packet of the clip; None: at the end. Damaged packets are skipped."""
        if packet is None:
            return []
        try:
            text = self._decoder.decode2(packet)
            if text is None or not len(text):
                return []
            result = self.stream.codec_context.encode_subtitle(text)
        except av.FFmpegError:
            return []
        result.pts = result.dts = packet.pts
        result.duration, result.time_base = packet.duration, packet.time_base
        result.stream = self.stream
        return [result]


Track = CopiedTrack | ConvertedSound | ConvertedSubtitles


def add_track(container: Any, stream: Any, *, sound: str, subtitles: str) -> Track | None:
    """Add a track for a stream of sound or subtitles to a container.

    Args:
        container: the result, open for writing.
        stream: the stream of the clip.
        sound, subtitles: names of the encoders for what the container cannot hold as it is.

    Returns:
        The track, or None if the container cannot hold it and it cannot be converted.
    """
    track: Track | None = None
    if _holds(container.format.name, stream):
        track = CopiedTrack(container, stream)
    elif stream.codec_context is not None and stream.type == "audio":
        if stream.codec_context.layout.nb_channels:
            track = ConvertedSound(container, stream, sound)
    elif stream.codec_context is not None and stream.codec_context.codec.text_sub:
        with suppress(av.FFmpegError):  # text that no decoder opens
            track = ConvertedSubtitles(container, stream, subtitles)
    if track:
        names = {"language", "title"} & set(stream.metadata)
        track.stream.metadata.update({name: stream.metadata[name] for name in names})
        track.stream.disposition = stream.disposition
    return track


def _holds(muxer: str, stream: Any) -> bool:
    """Whether a container can hold a stream as it is. Some say so only when they are written."""
    trial = None
    try:
        trial = av.open(io.BytesIO(), "w", format=muxer)
        trial.add_stream_from_template(stream)
        trial.start_encoding()
    except (av.FFmpegError, ValueError, AttributeError):  # AttributeError: no decoder knows it
        return False
    finally:
        if trial is not None:
            trial.close()
    return True


def describe(stream: Any) -> str:
    """A name of a stream for a sentence, such as "sound (aac)"."""
    codec = stream.codec_context.name if stream.codec_context is not None else "of unknown type"
    return f"{'sound' if stream.type == 'audio' else 'subtitles'} ({codec})"


def ignored_streams(streams: Any, used: Sequence[Any]) -> list[str]:
    """What the streams are that are not used, such as "cover".

    Streams that FFmpeg itself reads are left out, such as the titles of an MP4's chapters.
    """
    indices = {stream.index for stream in used}
    others = [s for s in streams if s.index not in indices and s.discard != Discard.all]
    return [
        "cover"
        if stream.disposition & Disposition.attached_pic
        else _KINDS.get(stream.type, "unknown track")
        for stream in others
    ]


def chapters_within(
    chapters: Sequence[Any], origin: Fraction, length: float | Fraction
) -> Iterator[dict[str, Any]]:
    """The chapters of a part, with their times moved to its beginning.

    Args:
        chapters: PyAV's dictionaries.
        origin: where the part begins, in the file's time, in seconds.
        length: seconds, or infinity.
    """
    for chapter in chapters:
        unit = chapter["time_base"]
        begin, end = (chapter[name] * unit - origin for name in ("start", "end"))
        if begin < length and end > 0:
            first, last = (round(time / unit) for time in (max(begin, 0), min(end, length)))
            yield chapter | {"start": first, "end": last}

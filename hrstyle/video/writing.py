"""Encode clips: frames at their times, and packets of sound and subtitles."""

import math
import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hrstyle.errors import InputError
from hrstyle.video.formats import CRF, check_crf, format_of
from hrstyle.video.tracks import Track, add_track, describe

_BT709, _LIMITED = 1, 1  # AVCOL_…_BT709, AVCOL_RANGE_MPEG


class Writer:
    """Writes a clip; a context manager that completes the file at its end.

    Args:
        file: the file, open for writing.
        path: a name whose ending gives the format; see `check_ending`.
        size: height and width; see `writable_size`.
        rate: approximate frames per second; the frames' own times are used.
        time_base: the unit of these times, in seconds.
        crf: see `CRF`.
        transparent: whether the frames have an alpha channel; see `holds_transparency`.
        tracks: the streams of sound and subtitles whose packets will be added.
        chapters: as PyAV's dictionaries.
        tags: metadata such as title and artist.

    Attributes:
        kept: the streams of `tracks` that the result has.
        notes: what was done to tracks that the format cannot hold as they are, each as a clause.

    Raises:
        InputError: the format cannot hold pictures of this size, or has no such factor.
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
        transparent: bool = False,
        tracks: Sequence[Any] = (),
        chapters: Sequence[Any] = (),
        tags: Mapping[str, str] | None = None,
    ):
        self._format = format_of(path, transparent=transparent)
        check_crf(path, crf, self._format)
        self._time_base = time_base
        self._earliest = -math.inf
        self._last_dts: dict[int, int] = {}  # decoding time of each copied track's last packet
        self._durations: dict[int, int] = {}  # of frames in the encoder, by `pts`
        self.notes: list[str] = []
        loop = {} if self._format.sound else {"loop": "0"}  # loop forever
        self._container = av.open(file, "w", format=self._format.muxer, options=loop)
        try:
            self._stream = self._add_pictures(size, rate, crf)
            self._tracks = [self._add_track(path, stream) for stream in tracks]
            self.kept = [s for s, kept in zip(tracks, self._tracks, strict=True) if kept]
            self._container.set_chapters(list(chapters))
            self._container.metadata.update(tags or {})
            self._container.start_encoding()
        except av.FFmpegError as error:
            self._container.close()
            height, width = size
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
        stream.height, stream.width = size
        stream.pix_fmt = self._format.pixels
        stream.time_base = self._time_base
        context = stream.codec_context
        context.time_base = self._time_base
        if self._format.pixels.startswith("yuv"):
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _LIMITED
        return stream

    def _add_track(self, path: str | os.PathLike[str], stream: Any) -> Track | None:
        track = add_track(
            self._container,
            stream,
            sound=str(self._format.sound),
            subtitles=self._format.subtitles,
        )
        ending = Path(path).suffix
        if track is None:
            self.notes.append(f"the {describe(stream)} is left out: {ending} cannot keep it")
        elif track.codec:
            self.notes.append(f"the {describe(stream)} became {track.codec}, for {ending}")
        return track

    def accepts(self, pts: int) -> bool:
        """Whether to add the frame at this time; False if it follows the last one too soon."""
        if pts < self._earliest:
            return False
        self._earliest = pts + math.ceil(self._format.shortest / self._time_base)
        return True

    def add_picture(self, pixels: NDArray[np.uint8], pts: int, duration: int) -> None:
        """Add a frame `(height, width, 3)`, or 4 if `transparent`.

        It is shown from `pts` for `duration`, in `time_base`.
        """
        frame = self._encodable(pixels)
        frame.pts, frame.time_base = pts, self._time_base
        self._durations[pts] = duration
        self._mux(self._stream.encode(frame))

    def _encodable(self, pixels: NDArray[np.uint8]) -> av.VideoFrame:
        if self._format.pixels == "pal8":
            return _indexed(pixels)
        frame = av.VideoFrame.from_ndarray(
            pixels, format="rgba" if pixels.shape[2] == 4 else "rgb24"
        )
        form = self._format.pixels
        if form.startswith("yuv"):
            return frame.reformat(format=form, dst_colorspace="ITU709", dst_color_range="MPEG")
        return frame.reformat(format=form)

    def _mux(self, packets: Sequence[Any]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts)  # encoders do not set it
            self._container.mux(packet)

    def add_packet(self, packet: Any, track: int) -> None:
        """Add a packet of the stream `tracks[track]`."""
        into = self._tracks[track]
        if into is None:
            return
        for done in into.packets(packet):
            if done.dts is not None and into.codec is None:
                # Only Matroska can hold two packets with the same time.
                is_repeated = done.dts == self._last_dts.get(track)
                if is_repeated and self._container.format.name != "matroska":
                    return
                self._last_dts[track] = done.dts
            self._container.mux(done)

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
                for track in range(len(self._tracks)):
                    self.add_packet(None, track)
        finally:
            self._close()

    def _close(self) -> None:
        try:
            self._container.close()
        except av.error.PyAVCallbackError as error:
            # It hides the error of the file, such as a full disk.
            hidden = error.__cause__ or error.__context__
            raise hidden if isinstance(hidden, OSError) else error from error


def _indexed(pixels: NDArray[np.uint8]) -> av.VideoFrame:
    """A frame with a palette of its own; what is at least half transparent becomes invisible."""
    count = 255 if pixels.shape[2] == 4 else 256
    image = Image.fromarray(pixels[..., :3]).quantize(count)
    palette = np.full((256, 4), 255, np.uint8)  # ARGB
    colours = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    palette[: len(colours), 1:] = colours
    indices = np.array(image)
    if pixels.shape[2] == 4:
        palette[255] = 0
        indices[pixels[..., 3] < 128] = 255
    both: Any = (indices, palette)
    return av.VideoFrame.from_ndarray(both, format="pal8")

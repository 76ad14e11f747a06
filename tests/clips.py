"""Clips to test with, written and read by PyAV alone."""

from fractions import Fraction

import av
import numpy as np

TIMES = [0, 20, 50, 60, 100, 110, 150, 180, 190, 230]
UNIT = Fraction(1, 600)
REGULAR = {"times": range(10), "unit": Fraction(1, 25)}


def scene(number, size=(64, 48)):
    """A picture that says which one it is: brighter to the right, and bluer with its number."""
    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, :, 0] = np.linspace(20, 220, width)
    picture[: height // 2, :, 1] = 180
    picture[:, :, 2] = 20 * number % 200
    return picture


def write_clip(
    path,
    *,
    times=TIMES,
    unit=UNIT,
    sound=None,
    codec="libx264",
    coding=None,
    size=(64, 48),
    turn=0,
    **options,
):
    """A clip of scenes, written by PyAV alone."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(
            codec, rate=25, options={"crf": "1"} if coding is None else coding
        )
        stream.width, stream.height = size
        if coding is not None:
            stream.bit_rate = 2_000_000
        stream.pix_fmt = "yuv444p" if size[1] % 2 else "yuv420p"
        stream.time_base = stream.codec_context.time_base = unit
        if turn:
            stream.set_display_rotation(turn)
        track = container.add_stream(sound, rate=48000, layout="mono") if sound else None
        packets = []
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(scene(number, size), format="rgb24")
            frame.pts, frame.time_base = time, unit
            packets += stream.encode(frame)
        packets += stream.encode(None)
        if track is not None:
            for number in range(20):
                wave = np.sin(np.arange(1024) * (number + 1) / 30).astype(np.float32)[None]
                frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 48000, 1024 * number
                packets += track.encode(frame)
            packets += track.encode(None)
        for packet in packets:
            container.mux(packet)
    return path


def times_of(path):
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def pictures_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def numbers_of(path):
    return [round(float(picture[..., 2].mean()) / 20) for picture in pictures_of(path)]


def sound_of(path):
    with av.open(str(path)) as container:
        return [(bytes(p), p.pts * p.time_base) for p in container.demux(audio=0) if p.size]

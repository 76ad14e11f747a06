"""Sound, subtitles and chapters of clips."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from clips import UNIT, write_clip

from hrstyle.generator import pyramid
from hrstyle.inference import Stylizer
from hrstyle.video import repaint_video

MS = Fraction(1, 1000)
LINES = [(40, 100, "One"), (200, 150, "Two")]
CHAPTERS = [(0, 120, "a"), (120, 383, "b")]


@pytest.fixture(scope="module")
def stylizer():
    torch.manual_seed(0)
    generator = pyramid(channels=(4, 8, 8), blocks=(1, 1))
    return Stylizer(generator, style="tiny", device="cpu", engine="torch")


def write_film(path, sound):
    """A clip with two tracks of sound, subtitles and chapters."""
    simple = write_clip(path.with_name("simple.mkv"), sound=sound)
    texts = path.with_name("texts.srt")
    texts.write_text(
        "".join(
            f"{n}\n00:00:00,{begin:03} --> 00:00:00,{begin + length:03}\n{text}\n\n"
            for n, (begin, length, text) in enumerate(LINES, 1)
        )
    )
    with (
        av.open(str(simple)) as source,
        av.open(str(texts)) as lines,
        av.open(str(path), "w") as film,
    ):
        pictures = film.add_stream_from_template(source.streams.video[0])
        tracks = [film.add_stream_from_template(source.streams.audio[0]) for _ in range(2)]
        for track, language in zip(tracks, ("eng", "spa"), strict=True):
            track.metadata["language"] = language
        subtitles = film.add_stream_from_template(lines.streams.subtitles[0])
        film.set_chapters(
            [
                {"id": n, "start": a, "end": b, "time_base": MS, "metadata": {"title": title}}
                for n, (a, b, title) in enumerate(CHAPTERS, 1)
            ]
        )
        for packet in lines.demux():
            if packet.size:
                packet.stream = subtitles
                film.mux(packet)
        for packet in source.demux():
            if packet.size and packet.stream.type == "video":
                packet.stream = pictures
                film.mux(packet)
            elif packet.size:
                for track in tracks:
                    copy = av.Packet(bytes(packet))
                    copy.pts, copy.dts = packet.pts, packet.dts
                    copy.duration, copy.time_base = packet.duration, packet.time_base
                    copy.stream = track
                    film.mux(copy)
    return path


def tracks_of(path):
    with av.open(str(path)) as container:
        streams = [*container.streams.audio, *container.streams.subtitles]
        return [(s.codec_context.name, s.metadata.get("language")) for s in streams]


def lines_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        packets = [p for p in container.demux(stream) if p.size > 2]
        return [
            (round(p.pts * p.time_base * 1000), bytes(p).strip(b"\0\3").decode()) for p in packets
        ]


def chapters_of(path):
    with av.open(str(path)) as container:
        found = container.chapters()
        return [
            (
                *(round(c[name] * c["time_base"] * 1000) for name in ("start", "end")),
                c["metadata"]["title"],
            )
            for c in found
        ]


def waves_of(path):
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=48000)
        frames = [r for f in container.decode(audio=0) for r in resampler.resample(f)]
        first = float(frames[0].pts * frames[0].time_base)
        return first, np.concatenate([frame.to_ndarray()[0] for frame in frames])


@pytest.mark.parametrize(
    ("sound", "ending", "kept", "subtitles"),
    [
        ("aac", ".mkv", "aac", "srt"),
        ("aac", ".mp4", "aac", "mov_text"),
        ("aac", ".webm", "opus", "webvtt"),
        ("libopus", ".mov", "aac", "mov_text"),
        ("libopus", ".webm", "opus", "webvtt"),
        ("pcm_s16le", ".webm", "opus", "webvtt"),
    ],
)
def test_all_tracks_are_kept_or_converted(stylizer, tmp_path, sound, ending, kept, subtitles):
    film = write_film(tmp_path / "film.mkv", sound)
    out = tmp_path / f"out{ending}"
    done = repaint_video(film, out, stylizer)
    assert not done.damaged
    assert (done.sound, done.pictures) == (2, 10)
    assert tracks_of(out)[:2] == [(kept, "eng"), (kept, "spa")]
    assert tracks_of(out)[2][0] == subtitles
    assert [text for _, text in lines_of(out)] == ["One", "Two"]
    for (ours, _), (theirs, _, _) in zip(lines_of(out), LINES, strict=True):
        assert ours == pytest.approx(theirs, abs=25)
    assert [title for _, _, title in chapters_of(out)] == ["a", "b"]
    converted = [name for name in done.notes if " became " in name]
    is_same = (sound.removeprefix("lib") == kept, subtitles == "srt")
    assert len(converted) == 3 - 2 * is_same[0] - is_same[1]
    assert done.notes == tuple(converted)


@pytest.mark.slow
@pytest.mark.parametrize(("sound", "ending"), [("aac", ".webm"), ("libopus", ".mov")])
def test_converted_sound_is_the_same_sound_at_the_same_time(stylizer, tmp_path, sound, ending):
    clip = write_clip(tmp_path / "clip.mkv", sound=sound)
    repaint_video(clip, tmp_path / f"out{ending}", stylizer)
    (begin, before), (start, after) = waves_of(clip), waves_of(tmp_path / f"out{ending}")
    count = 12000
    shift = round((start - begin) * 48000)
    offsets = range(-2000, 2001, 1)
    window = before[4000 : 4000 + count]
    fits = [
        np.corrcoef(window, after[4000 - shift + o : 4000 - shift + o + count])[0, 1]
        for o in offsets
    ]
    assert max(fits) > 0.9
    assert abs(offsets[int(np.argmax(fits))]) < 0.03 * 48000


def test_without_sound(stylizer, tmp_path):
    film = write_film(tmp_path / "film.mkv", "aac")
    done = repaint_video(film, tmp_path / "out.webm", stylizer, sound=False)
    assert done.sound == 0
    assert [name for name, _ in tracks_of(tmp_path / "out.webm")] == ["webvtt"]


def test_a_part_has_its_chapters_and_lines(stylizer, tmp_path):
    film = write_film(tmp_path / "film.mkv", "aac")
    out = tmp_path / "out.mkv"
    repaint_video(film, out, stylizer, start=0.1, end=0.3)
    [(begin, text)] = lines_of(out)
    assert (text, begin) == ("Two", pytest.approx(100, abs=25))
    for ours, theirs in zip(chapters_of(out), [(0, 20, "a"), (20, 200, "b")], strict=True):
        assert ours[2] == theirs[2]
        assert ours[:2] == pytest.approx(theirs[:2], abs=25)
    with av.open(str(out)) as container:
        assert container.duration / 1e6 == pytest.approx(0.2, abs=0.06)


def test_what_is_left_out_is_named(stylizer, tmp_path):
    simple = write_clip(tmp_path / "simple.mkv", times=range(10), unit=UNIT)
    with av.open(str(simple)) as source, av.open(str(tmp_path / "two.mkv"), "w") as film:
        streams = [film.add_stream_from_template(source.streams.video[0]) for _ in range(2)]
        film.add_attachment("font.ttf", "application/x-truetype-font", b"x")
        for packet in source.demux(video=0):
            if packet.size:
                for stream in streams:
                    copy = av.Packet(bytes(packet))
                    copy.pts, copy.dts = packet.pts, packet.dts
                    copy.duration, copy.time_base = packet.duration, packet.time_base
                    copy.is_keyframe, copy.stream = packet.is_keyframe, stream
                    film.mux(copy)
    done = repaint_video(tmp_path / "two.mkv", tmp_path / "out.mp4", stylizer)
    assert done.pictures == 10
    assert done.notes == ("left out: 1 video track", "left out: 1 attachment")


@pytest.mark.parametrize("ending", [".mov", ".mkv"])
def test_sound_that_no_decoder_knows_is_left_out(stylizer, tmp_path, ending):
    clip = write_clip(tmp_path / "clip.mov", sound="pcm_s16le")
    clip.write_bytes(clip.read_bytes().replace(b"sowt", b"apac"))  # as iPhones' spatial sound
    done = repaint_video(clip, tmp_path / f"out{ending}", stylizer)
    assert (done.pictures, done.sound) == (10, 0)
    assert done.notes == (f"the sound (of unknown type) is left out: {ending} cannot keep it",)

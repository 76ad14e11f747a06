"""Clips in, repainted clips out."""

import errno
import gc
import io
import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from clips import (
    REGULAR,
    TIMES,
    UNIT,
    numbers_of,
    pictures_of,
    scene,
    sound_of,
    times_of,
    write_clip,
)
from PIL import Image, ImageSequence

from hrstyle.cli import main
from hrstyle.errors import InputError
from hrstyle.generator import pyramid
from hrstyle.inference import Stylizer
from hrstyle.video import repaint_video
from hrstyle.video.reading import Clip
from hrstyle.video.writing import Writer


@pytest.fixture(scope="module")
def stylizer():
    torch.manual_seed(0)
    generator = pyramid(channels=(4, 8, 8), blocks=(1, 1))
    return Stylizer(generator, style="tiny", device="cpu", engine="torch")


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_times_and_sound_are_kept(stylizer, tmp_path, ending):
    clip = write_clip(tmp_path / "clip.mp4", sound="aac")
    out = tmp_path / f"out{ending}"
    result = repaint_video(clip, out, stylizer)
    assert (result.size, result.pictures, result.sound, result.damaged) == ((48, 64), 10, 1, False)
    unit = Fraction(1, 1000) if ending == ".mkv" else UNIT
    # Matroska begins at 0, so that the sound's lead moves all.
    lead = min(0, sound_of(clip)[0][1]) if ending == ".mkv" else 0
    for ours, theirs in zip(times_of(out), times_of(clip), strict=True):
        assert abs(ours - (theirs - lead)) < unit
    for ours, theirs in zip(sound_of(out), sound_of(clip), strict=True):
        assert ours[0] == theirs[0]
        assert abs(ours[1] - (theirs[1] - lead)) < unit


def test_the_pictures_are_painted(stylizer, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", **REGULAR)
    repaint_video(clip, tmp_path / "out.mp4", stylizer, crf=1, steady=0)
    for before, after in zip(pictures_of(clip), pictures_of(tmp_path / "out.mp4"), strict=True):
        expected = np.asarray(stylizer.stylize(before)).astype(float)
        assert np.abs(after - expected).mean() < 12  # what YUV 4:2:0 leaves of random colours
        assert np.abs(before - expected).mean() > 40


def test_colours_pass_through_unchanged(stylizer, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    for ending in (".mp4", ".webm", ".gif"):
        out = tmp_path / f"out{ending}"
        repaint_video(clip, out, stylizer, strength=0.0, steady=0)
        for number, picture in enumerate(pictures_of(out)[:2]):
            difference = picture.astype(float) - scene(number)
            assert np.abs(difference.mean((0, 1))).max() < 4
            assert np.abs(difference).mean() < 5


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_the_result_is_upright(stylizer, tmp_path, turn):
    clip = write_clip(tmp_path / "clip.mp4", turn=turn)
    result = repaint_video(clip, tmp_path / "out.mp4", stylizer, strength=0.0)
    expected = np.rot90(scene(0), turn // 90)
    assert result.size == expected.shape[:2]
    with av.open(str(tmp_path / "out.mp4")) as container:
        frame = next(container.decode(video=0))
    assert frame.rotation == 0
    assert np.abs(frame.to_ndarray(format="rgb24").astype(float) - expected).mean() < 5


@pytest.mark.parametrize(("container", "codec"), [("mp4", "libx264"), ("mpg", "mpeg1video")])
def test_a_part_begins_with_the_picture_shown_then(stylizer, tmp_path, container, codec):
    clip = write_clip(tmp_path / f"clip.{container}", codec=codec, **REGULAR)
    out = tmp_path / "out.mp4"
    part = {"start": 0.13, "end": 0.29}
    result = repaint_video(clip, out, stylizer, strength=0.0, crf=1, steady=0, **part)
    assert numbers_of(out) == [3, 4, 5, 6, 7]  # the fourth is still shown at the start
    expected = [0, 0.03, 0.07, 0.11, 0.15]
    assert [float(time) for time in times_of(out)] == pytest.approx(expected, abs=1e-3)
    assert result.pictures == 5


def test_a_part_keeps_its_sound(stylizer, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", sound="aac")
    repaint_video(clip, tmp_path / "out.mp4", stylizer, start=0.1, end=0.3)
    expected = [(data, time - 0.1) for data, time in sound_of(clip) if 0.1 <= time < 0.3]
    ours = sound_of(tmp_path / "out.mp4")
    assert [data for data, _ in ours] == [data for data, _ in expected]
    assert [float(t) for _, t in ours] == pytest.approx([float(t) for _, t in expected], abs=1e-3)


@pytest.mark.slow
def test_the_result_has_the_size_its_type_can_hold(stylizer, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", size=(63, 47), **REGULAR)
    for ending, size, expected in [
        (".mp4", None, (46, 62)),
        (".webm", None, (47, 63)),
        (".mp4", 32, (24, 32)),
        (".gif", 31, (23, 31)),
    ]:
        out = tmp_path / f"out{ending}"
        result = repaint_video(clip, out, stylizer, size=size, overwrite=True)
        assert result.size == pictures_of(out)[0].shape[:2] == expected


def test_a_clip_becomes_a_silent_animation_of_the_same_times(stylizer, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", sound="aac")
    for ending, unit in ((".gif", 10), (".webp", 1)):
        out = tmp_path / f"out{ending}"
        result = repaint_video(clip, out, stylizer)
        assert result.sound == 0
        assert result.notes == (f"left out: the sound (aac), for {ending} has none",)
        assert not repaint_video(clip, out, stylizer, sound=False, overwrite=True).notes
        with Image.open(out) as image:
            assert image.info["loop"] == 0
            lengths = [f.load() and f.info["duration"] for f in ImageSequence.Iterator(image)]
        shown = [0, 20, 50, 100, 150, 180, 230] if unit == 10 else TIMES  # none for under 20 ms
        expected = [round(t / 0.6 / unit) * unit for t in shown]
        assert np.cumsum([0, *lengths[:-1]]).tolist() == pytest.approx(expected, abs=1)
        assert lengths[-1] >= 20


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_a_clip_that_was_cut_off(weights_file, tmp_path, capsys, ending):
    index_first = {"movflags": "faststart"} if ending == ".mp4" else {}
    clip = write_clip(tmp_path / f"clip{ending}", **REGULAR, **index_first)
    cut(clip, 0.7)
    main(["video", str(clip), str(tmp_path / "out.mp4"), "--style", str(weights_file)])
    output = capsys.readouterr()
    assert output.err.count("\n") == 1
    assert f"clip{ending} is damaged or was cut off" in output.err
    assert 0 < len(pictures_of(tmp_path / "out.mp4")) < 10


@pytest.mark.parametrize("ending", ["mp4", "mkv", "gif"])
def test_of_joined_recordings_the_first_is_painted(stylizer, tmp_path, ending):
    write_clip(tmp_path / "one.ts", **REGULAR, sound="mp2")
    joined = tmp_path / "joined.ts"
    joined.write_bytes((tmp_path / "one.ts").read_bytes() * 2)
    done = repaint_video(joined, tmp_path / f"out.{ending}", stylizer)
    assert done.damaged  # the second one is at the times of the first
    assert done.pictures == len(list(REGULAR["times"]))
    assert done.seconds == pytest.approx(0.4, abs=0.05)


@pytest.mark.slow
def test_pictures_are_freed_at_once(tmp_path):
    clip = write_clip(tmp_path / "clip.mkv", times=range(30), unit=Fraction(1, 25))
    gc.collect()
    gc.disable()
    try:
        with Clip(clip, end=None) as opened:
            for part in opened:
                opened.pixels(part, (24, 32))
            alive = [thing for thing in gc.get_objects() if type(thing) is av.VideoFrame]
    finally:
        gc.enable()
    assert len(alive) < 6


@pytest.mark.slow
def test_memory_does_not_grow_with_length(stylizer, tmp_path):
    peaks = []
    for count in (20, 200):
        clip = write_clip(tmp_path / "clip.mkv", times=range(count), unit=Fraction(1, 25))
        tracemalloc.start()
        repaint_video(clip, tmp_path / "out.mkv", stylizer, strength=0.0, overwrite=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Peaks differ by some 50 frames, depending on what the threads do at the same time.
    assert peaks[1] < peaks[0] + 100 * 64 * 48 * 3


class Interrupted:
    """A stylizer at whose third picture the user presses Ctrl-C."""

    def __init__(self, stylizer):
        self.stylizer, self.calls = stylizer, 0

    def stylize(self, picture, **how):
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        return self.stylizer.stylize(picture, **how)


@pytest.mark.parametrize("ending", [".mp4", ".gif"])
def test_ctrl_c_leaves_no_half_file(stylizer, tmp_path, ending):
    clip = write_clip(tmp_path / "clip.mp4", sound="aac")
    with pytest.raises(KeyboardInterrupt):
        repaint_video(clip, tmp_path / f"out{ending}", Interrupted(stylizer))
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


class Full(io.BytesIO):
    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm", ".gif", ".webp"])
def test_a_full_disk_is_named(ending):
    picture = np.zeros((16, 16, 3), np.uint8)
    times = {"rate": Fraction(10), "time_base": Fraction(1, 1000)}
    with (
        pytest.raises(OSError, match="No space left"),
        Writer(Full(), f"out{ending}", size=(16, 16), **times) as writer,
    ):
        writer.add_picture(picture, 0, 100)


def test_what_is_no_clip_is_refused(stylizer, tmp_path):
    (tmp_path / "text.mp4").write_text("no clip")
    with av.open(str(tmp_path / "sound.m4a"), "w", format="mp4") as container:
        track = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 48000
        container.mux([*track.encode(frame), *track.encode(None)])
    for name, message in [
        ("text.mp4", "not a clip that can be read"),
        ("sound.m4a", "no pictures"),
        ("gone.mp4", "no such clip"),
        ("", "folder"),
    ]:
        with pytest.raises(InputError, match=message):
            repaint_video(tmp_path / name, tmp_path / "out.mp4", stylizer)
    assert not (tmp_path / "out.mp4").exists()


def test_a_tilde_is_the_users_folder(stylizer, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_clip(tmp_path / "clip.mp4")
    result = repaint_video("~/clip.mp4", "~/out.mp4", stylizer, end=0.1)
    assert result.path == tmp_path / "out.mp4"
    assert result.path.is_file()

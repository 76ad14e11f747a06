"""What becomes of a clip's frames: order, HDR, transparency."""

import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from clips import REGULAR, numbers_of, pictures_of, times_of, write_clip
from PIL import Image, ImageCms, ImageSequence
from skimage.data import chelsea

from hrstyle.generator import pyramid
from hrstyle.inference import Stylizer
from hrstyle.video import repaint_video

HLG, PQ = 18, 16


@pytest.fixture(scope="module")
def stylizer():
    torch.manual_seed(0)
    generator = pyramid(channels=(4, 8, 8), blocks=(1, 1))
    return Stylizer(generator, style="tiny", device="cpu", engine="torch")


@pytest.mark.parametrize(
    ("ending", "codec", "options"),
    [
        ("avi", "libx264", {"bf": "3", "b-adapt": "0"}),
        ("avi", "libx264", {"bf": "5", "b-pyramid": "normal"}),
        ("avi", "mpeg4", {"bf": "2"}),
        ("avi", "mpeg4", {}),
        ("wmv", "libx264", {"bf": "3"}),
        ("h264", "libx264", {"bf": "3"}),
    ],
)
def test_frames_are_in_order_where_the_container_has_only_decoding_times(
    stylizer, tmp_path, ending, codec, options
):
    clip = write_clip(tmp_path / f"clip.{ending}", codec=codec, coding=options, **REGULAR)
    done = repaint_video(clip, tmp_path / "out.mp4", stylizer, strength=0.0, crf=1, steady=0)
    assert not done.damaged
    assert numbers_of(tmp_path / "out.mp4") == list(range(10))
    expected = [number / 25 for number in range(10)]
    assert [float(time) for time in times_of(tmp_path / "out.mp4")] == pytest.approx(expected)


def test_a_part_of_an_avi_with_b_frames(stylizer, tmp_path):
    coding = {"bf": "3", "g": "4"}
    clip = write_clip(tmp_path / "clip.avi", coding=coding, **REGULAR)
    part = {"start": 0.2, "end": 0.32}
    repaint_video(clip, tmp_path / "out.mp4", stylizer, strength=0.0, crf=1, steady=0, **part)
    assert numbers_of(tmp_path / "out.mp4") == [5, 6, 7]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_sequence_of_pictures_with_colour_profiles(weights_file, tmp_path, ending):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for number in range(3):
        picture = Image.new("RGB", (64, 48), (80 * number, 90, 40))
        picture.save(tmp_path / f"{number}.{ending}", icc_profile=profile)
    command = [sys.executable, "-m", "hrstyle", "video", f"{tmp_path}/%d.{ending}"]
    command += ["-o", f"{tmp_path}/out.mkv", "--style", str(weights_file), "--strength", "0"]
    # PyAV crashed when the process ended.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    shades = [picture[..., 0].mean() for picture in pictures_of(tmp_path / "out.mkv")]
    assert shades == pytest.approx([0, 80, 160], abs=6)


def write_hdr(path, transfer, picture):
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame.color_trc, frame.color_primaries = 13, 1  # sRGB
    coded = frame.reformat(
        format="yuv420p10le",
        dst_colorspace=9,
        dst_color_trc=transfer,
        dst_color_primaries=9,
        dst_color_range=1,
    )
    with av.open(str(path), "w") as container:
        quiet = {"x265-params": "log-level=0", "crf": "8"}
        stream = container.add_stream("libx265", rate=25, options=quiet)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.colorspace = context.color_primaries = 9  # BT.2020
        context.color_trc, context.color_range = transfer, 1
        container.mux([*stream.encode(coded), *stream.encode(None)])
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("transfer", "size"), [(HLG, None), (PQ, 100)])
def test_hdr_has_the_contrast_of_sdr(stylizer, tmp_path, transfer, size):
    picture = chelsea()[::2, ::2][:132, :200]
    clip = write_hdr(tmp_path / "clip.mp4", transfer, picture)
    out = tmp_path / "out.mkv"
    repaint_video(clip, out, stylizer, strength=0.0, crf=4, size=size)
    [result] = pictures_of(out)
    expected = np.asarray(Image.fromarray(picture).resize(result.shape[1::-1]), float)
    assert result.std() == pytest.approx(expected.std(), rel=0.05)
    assert result.mean() == pytest.approx(expected.mean(), abs=3)


def test_bright_parts_of_hdr_are_not_clipped():
    from hrstyle.video.pixels import _tone_curve

    nits = np.array([50, 203, 400, 700, 950])
    power = (nits / 10000) ** 0.1593017578125  # SMPTE ST 2084
    code = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    shades = _tone_curve()[np.round(65535 * code).astype(int)].astype(int)
    assert shades[0] == pytest.approx(255 * (1.055 * (50 / 203) ** (1 / 2.4) - 0.055), abs=1)
    assert (np.diff(shades) > 2).all()
    assert shades[-1] <= 255


def write_transparent(path, hidden):
    """A green square on nothing, which hides a colour."""
    picture = np.zeros((48, 64, 4), np.uint8)
    picture[..., :3] = hidden
    picture[12:36, 16:48] = 20, 200, 40, 255
    codec, form, options = {
        ".webm": ("libvpx-vp9", "yuva420p", {"crf": "4", "b": "0"}),
        ".mov": ("prores_ks", "yuva444p10le", {"profile": "4444"}),
    }[path.suffix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 48, 64, form
        for number in range(3):
            picture[20:28, 20:40, 0] = 80 * number  # Pillow would drop repeated frames
            frame = av.VideoFrame.from_ndarray(picture, format="rgba")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame.reformat(format=form)))
        container.mux(stream.encode(None))
    return path, picture[..., 3]


def rgba_of(path):
    if path.suffix in (".gif", ".webp"):
        with Image.open(path) as image:
            return [np.asarray(f.convert("RGBA")) for f in ImageSequence.Iterator(image)]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        vp9 = path.suffix == ".webm"
        decoder = av.CodecContext.create("libvpx-vp9", "r") if vp9 else stream.codec_context
        packets = container.demux(stream)
        frames = [f for p in packets for f in decoder.decode(p if p.size else None)]
    return [frame.to_ndarray(format="rgba") for frame in frames]


@pytest.mark.parametrize("original", [".webm", ".mov"])
@pytest.mark.parametrize("ending", [".webm", ".mov", ".gif", ".webp"])
def test_transparency_is_kept(stylizer, tmp_path, original, ending):
    clip, alpha = write_transparent(tmp_path / f"clip{original}", (200, 0, 0))
    out = tmp_path / f"out{ending}"
    done = repaint_video(clip, out, stylizer, steady=0)
    assert done.notes == ()
    frames = rgba_of(out)
    assert len(frames) == 3
    for frame in frames:
        assert np.abs(frame[..., 3].astype(int) - alpha).mean() < 1


def test_where_the_format_has_none_what_was_invisible_is_filled(stylizer, tmp_path):
    results = []
    for name, hidden in (("black", (0, 0, 0)), ("white", (255, 255, 255))):
        clip, alpha = write_transparent(tmp_path / f"{name}.mov", hidden)
        out = tmp_path / f"{name}.mp4"
        [note] = repaint_video(clip, out, stylizer, crf=1).notes
        assert "filled" in note
        assert ".webm" in note
        results.append(pictures_of(out)[0].astype(int))
    assert np.abs(results[0] - results[1])[alpha == 255].max() < 8
    assert np.abs(results[0] - results[1]).mean() < 3


def test_opaque_frames_with_an_alpha_channel_are_nothing_to_speak_of(stylizer, tmp_path):
    for number in range(2):
        Image.new("RGBA", (64, 48), (9, 99, number)).save(tmp_path / f"{number}.png")
    done = repaint_video(tmp_path / "%d.png", tmp_path / "out.mp4", stylizer)
    assert done.notes == ()

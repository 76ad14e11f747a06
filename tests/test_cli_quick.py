import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

import hrstyle
from hrstyle.cli import main, quick, stylize
from hrstyle.cli.quick import QuickStylizer, quick_stylizer
from hrstyle.errors import InputError
from hrstyle.images import open_image
from hrstyle.styles import weights_path

STYLE = "starry_night"


@pytest.fixture(scope="module")
def expected_stylizer():
    return hrstyle.load(STYLE, device="cpu", engine="torch")


def nearly_equal(painted, expected):
    """Engines differ by 1 of 255 here and there, which the brush may make a few of."""
    difference = np.abs(np.asarray(painted).astype(int) - np.asarray(expected))
    return (difference > 6).mean() < 1e-3 and difference.mean() < 0.1


def altered(path, *, metadata=None, weights=None):
    """A copy of a style's file with other metadata or weights."""
    with safe_open(weights_path(STYLE), framework="numpy") as file:
        described = file.metadata() | (metadata or {})
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(state | (weights or {}), path, described)
    return path


@pytest.mark.slow
def test_paints_what_a_stylizer_paints(expected_stylizer, photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    image = open_image(photo)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(tmp_path / "turned.png", exif=exif, dpi=(300, 300))
    quickly = quick_stylizer(STYLE)
    grey = image.convert("L").resize((30, 20))
    for source in (tmp_path / "turned.png", photo, np.asarray(image), grey):
        expected, painted = expected_stylizer.stylize(source), quickly.stylize(source)
        assert (painted.mode, painted.size) == (expected.mode, expected.size)
        assert painted.info == expected.info
        assert nearly_equal(painted, expected)


@pytest.mark.slow
def test_a_large_photo_is_quick_too(expected_stylizer, photo):
    large = open_image(photo).resize((1501, 1003))
    painted = quick_stylizer(STYLE).stylize(large)
    assert painted.size == large.size
    assert nearly_equal(painted, expected_stylizer.stylize(large))


@pytest.mark.slow
def test_a_picture_that_cannot_be_read_does_not_stop_the_others(photo):
    pictures = [photo, "gone.jpg", photo]
    results = list(quick_stylizer(STYLE).stylize_many(pictures, return_exceptions=True))
    assert isinstance(results[1], InputError)
    assert results[0].tobytes() == results[2].tobytes()
    with pytest.raises(InputError, match=r"gone\.jpg"):
        list(quick_stylizer(STYLE).stylize_many(pictures))


@pytest.mark.slow
def test_photos_need_no_torch(photo, tmp_path):
    for name in ("one.png", "two.png"):
        open_image(photo).save(tmp_path / name)
    (tmp_path / "out").mkdir()
    paths = [str(tmp_path / name) for name in ("one.png", "two.png", "out")]
    code = f"""
import sys
from hrstyle.cli import main
main(["stylize", *{paths[:2]}, "-o", {paths[2]!r}, "--style", {STYLE!r}])
assert not {{"torch", "onnx", "pooch", "openvino_telemetry"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_an_animation_keeps_its_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(hrstyle.inference, "load", lambda *a, **k: pytest.fail("not quick"))
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    main(
        ["stylize", str(tmp_path / "moving.gif"), "-o", str(tmp_path / "out.gif"), "--style", STYLE]
    )
    with Image.open(tmp_path / "out.gif") as painted:
        assert painted.n_frames == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["--strength", "0.5"],
        ["--size", "80"],
        ["--no-brush"],
        ["--stroke-size", "2"],
        ["--keep-colours"],
        ["--dtype", "bfloat16"],
        ["--engine", "torch"],
        ["--max-memory", "1GB"],
    ],
)
def test_other_options_need_a_whole_stylizer(options, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(quick, "quick_stylizer", lambda source: pytest.fail("too quick"))
    result = tmp_path / "painted.png"
    main(["stylize", str(photo), "-o", str(result), "--style", STYLE, *options])
    assert result.is_file()


@pytest.mark.slow
def test_many_photos_may_be_faster_on_a_gpu(photo, tmp_path, monkeypatch):
    monkeypatch.setattr(stylize, "QUICK_PHOTOS", 1)
    (tmp_path / "out").mkdir()
    for name in ("one.png", "two.png"):
        open_image(photo).resize((30, 20)).save(tmp_path / name)
    command = ["stylize", *(str(tmp_path / name) for name in ("one.png", "two.png"))]
    command += ["-o", str(tmp_path / "out"), "--style", STYLE, "--overwrite"]
    with monkeypatch.context() as patch:
        patch.setattr(quick, "quick_stylizer", lambda source: pytest.fail("too quick"))
        main(command)
    monkeypatch.setattr(hrstyle.inference, "load", lambda *a, **k: pytest.fail("not quick"))
    main([*command, "--device", "cpu"])


@pytest.mark.slow
def test_other_networks_and_files_need_a_whole_stylizer(weights_file, tmp_path):
    infinite = {"to_rgb.bias": np.full(3, np.inf, np.float16)}
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(weights_path(STYLE).read_bytes()[:-1])
    for source in (
        "guernica",
        {STYLE: 1.0},
        weights_file,  # of fewer channels
        damaged,
        altered(tmp_path / "newer.safetensors", metadata={"format": "hrstyle 2"}),
        altered(tmp_path / "own.safetensors", metadata={"generator": '{"name": "mine"}'}),
        altered(tmp_path / "nothing.safetensors", metadata={"generator": "{"}),
        altered(tmp_path / "infinite.safetensors", weights=infinite),
    ):
        assert quick_stylizer(source) is None
    assert isinstance(quick_stylizer(altered(tmp_path / "same.safetensors")), QuickStylizer)


def test_without_openvino_a_whole_stylizer_is_needed(monkeypatch):
    monkeypatch.setattr(quick, "find_spec", lambda name: None)
    assert quick_stylizer(STYLE) is None

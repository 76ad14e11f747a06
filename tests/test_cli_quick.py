import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from PIL import Image

import hrstyle
from hrstyle.cli import main, quick
from hrstyle.cli.quick import QuickStylizer, network_file
from hrstyle.errors import InputError
from hrstyle.generator import paper
from hrstyle.images import open_image


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(folder / name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def keep(stylizer, source):
    quick.cache_network(stylizer, source, network_file(source))


def quick_stylizer(source):
    return quick.quick_stylizer(network_file(source))


def nearly_equal(painted, expected):
    """Engines differ by 1 of 255 here and there, which the brush may make a few of."""
    difference = np.abs(np.asarray(painted).astype(int) - np.asarray(expected))
    return (difference > 6).mean() < 1e-3 and difference.mean() < 0.1


def kept(folder):
    return list(folder.rglob("*.onnx"))


def test_paints_what_a_stylizer_paints(stylizer, weights_file, photo, tmp_path):
    assert quick_stylizer(weights_file) is None
    keep(stylizer, weights_file)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    image = open_image(photo)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(tmp_path / "turned.png", exif=exif, dpi=(300, 300))
    for source in (tmp_path / "turned.png", photo, np.asarray(image), Image.new("L", (1, 1), 99)):
        expected, painted = stylizer.stylize(source), quick_stylizer(weights_file).stylize(source)
        assert (painted.mode, painted.size) == (expected.mode, expected.size)
        assert painted.info == expected.info
        assert nearly_equal(painted, expected)


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(stylizer, weights_file, photo):
    keep(stylizer, weights_file)
    pictures = [photo, "gone.jpg", photo]
    results = list(quick_stylizer(weights_file).stylize_many(pictures, return_exceptions=True))
    assert isinstance(results[1], InputError)
    assert results[0].tobytes() == results[2].tobytes()
    with pytest.raises(InputError, match=r"gone\.jpg"):
        list(quick_stylizer(weights_file).stylize_many(pictures))


def test_the_second_picture_needs_no_torch(weights_file, photo, tmp_path, empty_cache):
    command = ["stylize", str(photo), "--style", str(weights_file), "--device", "cpu", "-o"]
    main([*command, str(tmp_path / "first.png")])
    assert kept(empty_cache)
    code = f"""
import sys
import platformdirs
from hrstyle.cli import main
platformdirs.user_cache_dir = lambda name: {str(empty_cache)!r} + "/" + name
main({[*command, str(tmp_path / "second.png")]!r})
assert not {{"torch", "onnx", "pooch", "openvino_telemetry"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    first, second = (open_image(tmp_path / name) for name in ("first.png", "second.png"))
    assert nearly_equal(first, second)


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
def test_whoever_asks_for_more_gets_it(
    options, stylizer, weights_file, photo, tmp_path, monkeypatch
):
    keep(stylizer, weights_file)
    monkeypatch.setattr(quick, "quick_stylizer", lambda source: pytest.fail("too quick"))
    result = tmp_path / "painted.png"
    main(["stylize", str(photo), "-o", str(result), "--style", str(weights_file), *options])
    assert result.is_file()


def test_nothing_is_kept_of_a_mixture(weights_file, photo, tmp_path, empty_cache):
    mixture = f"{weights_file}:1"
    settings = ["--style", mixture, "--device", "cpu"]
    main(["stylize", str(photo), "-o", str(tmp_path / "a.png"), *settings])
    assert not kept(empty_cache)


def test_a_network_that_takes_much_memory_is_not_kept(weights_file, empty_cache):
    keep(hrstyle.Stylizer(paper(), style="large", device="cpu", engine="torch"), weights_file)
    assert not kept(empty_cache)


def test_the_bundled_ones_are_kept(empty_cache):
    keep(hrstyle.load("starry_night", device="cpu", engine="torch"), "starry_night")
    assert kept(empty_cache)


def test_a_large_photo_is_quick_too(stylizer, weights_file, photo):
    keep(stylizer, weights_file)
    large = open_image(photo).resize((1501, 1003))
    painted = quick_stylizer(weights_file).stylize(large)
    assert painted.size == large.size
    assert nearly_equal(painted, stylizer.stylize(large))


def test_other_weights_are_another_network(stylizer, weights_file, tiny):
    from hrstyle.checkpoint import save_weights

    keep(stylizer, weights_file)
    tiny.to_rgb.bias.data += 0.1
    save_weights(weights_file, tiny, style="tiny", base="0123")
    assert quick_stylizer(weights_file) is None


def test_a_damaged_network_is_made_anew(stylizer, weights_file, photo, tmp_path, empty_cache):
    keep(stylizer, weights_file)
    (file,) = kept(empty_cache)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert quick_stylizer(weights_file) is None
    assert not file.exists()
    settings = ["--style", str(weights_file), "--device", "cpu"]
    main(["stylize", str(photo), "-o", str(tmp_path / "a.png"), *settings])
    assert file.read_bytes() == whole
    assert isinstance(quick_stylizer(weights_file), QuickStylizer)


def test_the_oldest_networks_leave_the_cache_when_it_is_full(
    stylizer, weights_file, monkeypatch, empty_cache
):
    monkeypatch.setattr(quick, "CACHE_SIZE", 2)
    for age, version in enumerate("abc"):
        monkeypatch.setattr(quick, "__version__", version)
        keep(stylizer, weights_file)
        newest = max(kept(empty_cache), key=lambda file: file.stat().st_mtime)
        os.utime(newest, (age, age))
    assert sorted(file.stat().st_mtime for file in kept(empty_cache)) == [1, 2]


def test_a_cache_that_cannot_be_written_is_no_trouble(stylizer, weights_file, empty_cache):
    empty_cache.write_text("a file where the folder should be")
    keep(stylizer, weights_file)
    assert quick_stylizer(weights_file) is None
    empty_cache.unlink()
    keep(stylizer, weights_file)
    (file,) = kept(empty_cache)
    file.unlink()
    file.mkdir()  # cannot be replaced by a file
    keep(stylizer, weights_file)
    assert quick_stylizer(weights_file) is None


def test_without_openvino_nothing_is_kept(stylizer, weights_file, monkeypatch, empty_cache):
    keep(stylizer, weights_file)
    monkeypatch.setattr(quick, "find_spec", lambda name: None)
    assert quick_stylizer(weights_file) is None
    kept(empty_cache)[0].unlink()
    keep(stylizer, weights_file)
    assert not kept(empty_cache)


def test_an_unknown_style_has_no_network():
    assert network_file("guernica") is None


def test_a_network_is_not_kept_for_a_file_that_changed_meanwhile(
    stylizer, weights_file, tiny, empty_cache
):
    from hrstyle.checkpoint import save_weights

    before = network_file(weights_file)
    tiny.to_rgb.bias.data += 0.1
    save_weights(weights_file, tiny, style="tiny", base="0123")
    quick.cache_network(stylizer, weights_file, before)
    assert not kept(empty_cache)


def test_a_cache_that_may_not_be_looked_into_is_no_trouble(stylizer, weights_file, monkeypatch):
    network = network_file(weights_file)

    def refuse(path, **how):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", refuse)
        assert quick.quick_stylizer(network) is None


def test_changed_code_makes_another_network(weights_file, tmp_path, monkeypatch):
    code = tmp_path / "hrstyle"
    others = shutil.ignore_patterns("*.safetensors", "*.jpg", "__pycache__")
    shutil.copytree(Path(hrstyle.__file__).parent, code, ignore=others)
    monkeypatch.setattr(quick, "__file__", str(code / "cli" / "quick.py"))
    before = network_file(weights_file)
    assert before == network_file(weights_file)
    for name in ("checkpoint.py", "generator/pyramid_network.py", "engine/onnx.py"):
        with (code / name).open("a") as file:
            file.write("# changed\n")
        after = network_file(weights_file)
        assert after is not None
        assert after != before
        before = after


def test_an_animation_keeps_its_frames_without_torch_too(stylizer, weights_file, tmp_path):
    keep(stylizer, weights_file)
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    settings = ["--style", str(weights_file), "--device", "cpu"]
    main(["stylize", str(tmp_path / "moving.gif"), "-o", str(tmp_path / "out.gif"), *settings])
    with Image.open(tmp_path / "out.gif") as painted:
        assert painted.n_frames == 2

"""What `hrstyle stylize` repaints with, and how often it looks for the photos."""

import pytest
from PIL import Image

from hrstyle import inference
from hrstyle.cli import main, quick, stylize
from hrstyle.cli.quick import QuickStylizer


@pytest.mark.slow
def test_openvino_is_not_waited_for_by_a_single_small_photo(weights_file, tmp_path, monkeypatch):
    engines = []
    plain = inference.load

    def load(style, **options):
        engines.append(options.get("engine", "auto"))
        return plain(style, device="cpu", engine="torch")

    monkeypatch.setattr(inference, "load", load)
    (tmp_path / "out").mkdir()
    paths = [tmp_path / name for name in ("small.png", "large.png")]
    for path, width in zip(paths, (64, 2**16), strict=True):
        Image.new("L", (width, 17)).save(path)
    for which, options in (
        (paths[:1], []),
        (paths[:1], ["--engine", "openvino"]),
        (paths[1:], []),  # painted small
        (paths[1:], ["--stroke-size", "1"]),
        (paths[1:], ["--size", "64"]),
        (paths, ["--size", "64"]),
    ):
        out = ["-o", tmp_path / "out", *options, "--overwrite"]
        main([str(a) for a in ["stylize", *which, *out, "--style", weights_file]])
    assert engines == ["torch", "openvino", "torch", "auto", "torch", "torch"]


class Loaded(Exception):  # noqa: N818 - it is no error
    """Ends the command where the work would begin."""


def moving(path, size, count):
    first, *rest = (Image.new("RGB", size, (8 * n, 0, 0)) for n in range(count))
    first.save(path, save_all=True, append_images=rest)
    return str(path)


@pytest.mark.parametrize(("count", "is_small"), [(2, True), (9, False)])
def test_the_frames_of_an_animation_are_counted(
    weights_file, tmp_path, monkeypatch, count, is_small
):
    given = {}

    def load(style, **options):
        given.update(options)
        raise Loaded

    monkeypatch.setattr(inference, "load", load)
    source = moving(tmp_path / "in.gif", (30, 20), count)
    command = ["stylize", source, "-o", str(tmp_path / "out.gif"), "--style", str(weights_file)]
    with pytest.raises(Loaded):
        main([*command, "--size", "600"])  # 0.24 megapixels a frame
    assert (given.get("engine") == "torch") == is_small


@pytest.mark.parametrize("frames", [30, 31])
def test_a_long_animation_may_be_faster_on_a_gpu(tmp_path, monkeypatch, frames):
    def load(*style, **options):
        raise Loaded(*style)

    monkeypatch.setattr(quick, "quick_stylizer", lambda style: load("quick"))
    monkeypatch.setattr(inference, "load", lambda style, **options: load("whole"))
    source = moving(tmp_path / "in.gif", (9, 8), frames)
    with pytest.raises(Loaded, match="quick" if frames <= stylize.QUICK_PHOTOS else "whole"):
        main(["stylize", source, "-o", str(tmp_path / "out.gif"), "--style", "starry_night"])


def test_a_folder_is_looked_through_once_for_all_styles(run, small, tmp_path, monkeypatch, capsys):
    (tmp_path / "in").mkdir()
    small.save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "notes.txt").touch()
    network = QuickStylizer(None)
    monkeypatch.setattr(QuickStylizer, "_repaint", lambda self, photo: small)
    monkeypatch.setattr(quick, "quick_stylizer", lambda style: network)
    main(["stylize", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--style", "all"])
    assert capsys.readouterr().err.count("left out 1 .txt") == 1

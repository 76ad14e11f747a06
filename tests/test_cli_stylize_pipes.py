"""`hrstyle stylize` from standard input and to standard output."""

import io
import subprocess
import sys

import pytest
from PIL import Image

from hrstyle.cli import main
from hrstyle.images import open_image


@pytest.mark.slow
def test_the_module_from_standard_input_to_standard_output(photo, tmp_path):
    command = [sys.executable, "-m", "hrstyle", "stylize", "-", "--style", "starry_night"]
    with photo.open("rb") as file:
        result = subprocess.run(
            [*command, "--format", "jpeg"],
            stdin=file,
            capture_output=True,
            check=True,
            cwd=tmp_path,
        )
    with Image.open(io.BytesIO(result.stdout)) as image:
        assert (image.format, image.size) == ("JPEG", (451, 300))
    assert result.stderr == b""


def as_input(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.slow
def test_standard_input_into_a_file(photo, weights_file, tmp_path, monkeypatch, capsysbinary):
    as_input(monkeypatch, photo.read_bytes())
    main(["stylize", "-", "-o", str(tmp_path / "out.png"), "--style", str(weights_file)])
    assert open_image(tmp_path / "out.png").size == (451, 300)
    capsysbinary.readouterr()
    main(["stylize", str(photo), "-o", "-", "--style", str(weights_file)])
    with Image.open(io.BytesIO(capsysbinary.readouterr().out)) as image:
        image.load()
        assert image.format == "PNG"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-"], "the input is not a picture"),
        (["-", "x.png", "-o", "out/"], "name no other"),
        (["x.png"], "-o OUT"),
        (["x.png", "y.png", "-o", "-"], "holds a single result"),
        ([".", "-o", "-"], "holds a single result"),
        (["-", "--format", "docx"], "take png, jpeg"),
        (["-", "--json"], "--json needs standard output"),
    ],
)
def test_bad_use_of_standard_input_and_output(
    run, weights_file, monkeypatch, capsys, arguments, message
):
    as_input(monkeypatch, b"no picture")
    assert run("stylize", *arguments, "--style", weights_file) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_animation_from_standard_input_stays_one(weights_file, tmp_path, monkeypatch):
    frames, data = [Image.new("RGB", (9, 8), colour) for colour in ("red", "blue")], io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:])
    as_input(monkeypatch, data.getvalue())
    main(["stylize", "-", "-o", str(tmp_path / "out.gif"), "--style", str(weights_file)])
    with Image.open(tmp_path / "out.gif") as painted:
        assert painted.n_frames == 2

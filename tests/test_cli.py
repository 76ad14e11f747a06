import subprocess
import sys

import pytest
from PIL import Image

from hrstyle.cli import main
from hrstyle.images import open_image


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return stop.value.code


def test_stylize(photo, weights_file, tmp_path, capsys):
    main(["stylize", str(photo), "-o", str(tmp_path / "out.jpg"), "--style", str(weights_file)])
    assert open_image(tmp_path / "out.jpg").size == open_image(photo).size
    assert "out.jpg: 451x300" in capsys.readouterr().out


def test_module_and_command_are_the_same(photo, tmp_path):
    out = tmp_path / "out.png"
    command = ["stylize", photo, "-o", out, "--style", "starry_night", "--device", "cpu"]
    subprocess.run([sys.executable, "-m", "hrstyle", *command], check=True, cwd=tmp_path)
    assert open_image(out).size == (451, 300)


def test_bad_input_is_one_sentence_and_exit_code_2(photo, weights_file, tmp_path, capsys):
    good = {"input": photo, "output": tmp_path / "out.png", "style": weights_file}
    bad = [
        ({"input": tmp_path / "gone.jpg"}, "gone.jpg"),
        ({"output": tmp_path / "out.xyz"}, ".xyz"),
        ({"output": tmp_path / "nowhere" / "out.png"}, "nowhere"),
        ({"style": "guernica"}, "starry_night"),
    ]
    for change, message in bad:
        values = good | change
        code = run("stylize", values["input"], "-o", values["output"], "--style", values["style"])
        error = capsys.readouterr().err
        assert code == 2
        assert message in error
        assert error.startswith("hrstyle: ")
        assert error.count("\n") == 1
    assert not list(tmp_path.glob("out*"))


def test_the_photo_itself_is_not_overwritten(weights_file, tmp_path, capsys):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (20, 20)).save(photo)
    before = photo.read_bytes()
    assert run("stylize", photo, "-o", photo, "--style", weights_file) == 2
    assert "another name" in capsys.readouterr().err
    assert photo.read_bytes() == before


def test_help_teaches(capsys):
    assert run("--help") == 0
    text = capsys.readouterr().out
    assert "hrstyle stylize cat.jpg" in text
    assert "python -m hrstyle.train" in text
    assert run("stylize") == 2

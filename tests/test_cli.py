import json
import re
import subprocess
import sys

import numpy as np
import onnx
import pytest
from PIL import Image

import hrstyle
from hrstyle.cli import main
from hrstyle.images import open_image


def test_bad_input_is_one_sentence_and_exit_code_2(run, photo, weights_file, tmp_path, capsys):
    good = {"input": photo, "output": tmp_path / "out.png", "style": weights_file}
    bad = [
        ({"input": tmp_path / "gone.jpg"}, "gone.jpg"),
        ({"output": tmp_path / "out.xyz"}, ".xyz"),
        ({"output": tmp_path / "nowhere" / "out.png"}, "nowhere"),
        ({"style": "guernica"}, "starry_night"),
        ({"style": "~nobody_of_this_name/x.safetensors"}, "home directory"),
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


def test_what_the_system_refuses_is_one_sentence(run, weights_file, tmp_path, capsys):
    for photo, output in [("n" * 300, "out.png"), ("photo.png", "n" * 300)]:
        assert run("stylize", photo, "-o", tmp_path / output, "--style", weights_file) == 2
        error = capsys.readouterr().err
        assert error.startswith("hrstyle: ")
        assert "File name too long" in error
        assert error.count("\n") == 1


def test_help_shows_the_first_commands_to_type(run, capsys):
    assert run("--help") == 0
    text = capsys.readouterr().out
    assert "hrstyle stylize cat.jpg" in text
    assert "hrstyle train --help" in text
    assert run("stylize") == 2


@pytest.mark.parametrize(
    "command", ["stylize", "video", "optimize", "export", "styles", "serve", "completion"]
)
def test_every_commands_help_teaches_with_two_examples(run, capsys, command):
    assert run(command, "--help") == 0
    text = capsys.readouterr().out
    examples = text[text.index("examples:") :]
    assert len(re.findall(rf"^  hrstyle {command}\b", examples, flags=re.MULTILINE)) >= 2
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "text", ""])
@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--size", "size"),
        ("--quality", "quality"),
        ("--mask", "no such picture"),
        ("--format", "take png, jpeg"),
        ("--strength", "strength"),
        ("--stroke-size", "stroke.size"),
        ("--max-memory", "no amount of memory"),
    ],
)
def test_bad_values_are_one_sentence_before_any_work(run, tmp_path, capsys, option, message, value):
    # Neither the style nor the photo is looked for: there is none.
    command = ["stylize", tmp_path / "gone.jpg", "-o", tmp_path / "new" / "out.png"]
    assert run(*command, "--style", "gone", option, value) == 2
    error = capsys.readouterr().err
    assert re.match(f"hrstyle: .*{message}.*\n$", error)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_export_writes_a_model_and_tells_how_far_it_is_off(run, weights_file, tmp_path, capsys):
    main(["export", str(weights_file), str(tmp_path / "tiny.onnx"), "--dtype", "float16"])
    onnx.checker.check_model(tmp_path / "tiny.onnx")
    assert "of 255 from PyTorch (64x64, 131x83, 190x250 px)" in capsys.readouterr().out
    assert run("export", weights_file, tmp_path / "tiny.onnx") == 2
    assert "is there already" in capsys.readouterr().err
    main(["export", str(weights_file), str(tmp_path / "tiny.onnx"), "--overwrite", "--json"])
    described = json.loads(capsys.readouterr().out)
    assert 0 < described["largest_difference_of_255"] < 1
    main(
        ["export", str(weights_file), str(tmp_path), "--overwrite", "--half", "--size", "20", "30"]
    )
    written = capsys.readouterr().out
    assert written.startswith(f"{tmp_path / 'tiny.onnx'}: at most ")
    assert "(30x20 px); it is the network alone" in written
    assert run("export", weights_file, tmp_path / "x.onnx", "--size", "0", "9") == 2
    assert "size [0, 9] must be height and width" in capsys.readouterr().err
    assert run("export", weights_file, tmp_path / "tiny.pt") == 2
    assert ".onnx" in capsys.readouterr().err


def test_export_knows_the_users_folder(run, weights_file, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    main(["export", str(weights_file), "~/tiny.onnx"])
    assert (tmp_path / "tiny.onnx").is_file()
    assert run("export", weights_file, "~/tiny.onnx") == 2
    assert "is there already" in capsys.readouterr().err


def test_styles_lists_the_styles_as_a_table_or_as_json(capsys):
    main(["styles"])
    lines = capsys.readouterr().out.splitlines()
    night = next(line for line in lines if line.startswith("starry_night"))
    assert re.split(" {2,}", night) == [
        *("starry_night", "The Starry Night", "Vincent van Gogh", "1889")
    ]
    assert not any(line.startswith("base") for line in lines)
    assert len({len(line) for line in lines}) == 1  # the years are below each other
    main(["styles", "--json"])
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(objects) == len(lines)
    assert {"name": "starry_night", "title": "The Starry Night",
            "artist": "Vincent van Gogh", "year": 1889} in objects  # fmt: skip


@pytest.mark.slow
def test_a_sheet_shows_the_photo_and_its_repaint_in_each_style(
    run, photo, tmp_path, capsys, monkeypatch
):
    styles = ["great_wave", "starry_night"]
    monkeypatch.setattr("hrstyle.styles.trained.list_styles", lambda: styles)
    out = tmp_path / "sheet.png"
    command = ["styles", "--sheet", photo, "-o", out, "--size", 60, "--json"]
    main([str(a) for a in command])
    described = json.loads(capsys.readouterr().out)
    assert described["styles"] == styles
    sheet = open_image(out)
    assert sheet.size == (described["width"], described["height"]) == (128, 140)
    small = open_image(photo).resize((60, 40), Image.Resampling.LANCZOS)
    assert np.array_equal(sheet.crop((2, 26, 62, 66)), small)
    painted = hrstyle.load("starry_night").stylize(small)
    assert np.array_equal(sheet.crop((2, 96, 62, 136)), painted)
    assert run(*command) == 2
    assert "sheet.png is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "x.png"], "add --sheet PHOTO"),
        (["--size", "7"], "add --sheet PHOTO"),
        (["--sheet", "gone.jpg"], "-o OUT"),
        (["--sheet", ".", "-o", "x.png"], ". is a folder; name a picture in it"),
        (["--sheet", "gone.jpg", "-o", "x.png"], "gone.jpg"),
        (["--sheet", "photo.png", "-o", "x.webp", "--size", "4200"], "16383 pixels a side"),
        (["--sheet", "gone.jpg", "-o", "x.docx"], ".docx"),
        *((["--sheet", "gone.jpg", "-o", "x.png", "--size", n], "size") for n in ("-1", "nan")),
    ],
)
def test_settings_that_make_no_sheet_are_one_sentence(
    run, tmp_path, monkeypatch, capsys, options, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hrstyle.inference.load", lambda name: pytest.fail("work was begun"))
    Image.new("RGB", (20, 10)).save("photo.png")
    assert run("styles", *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_help_does_not_wait_for_torch():
    code = "import sys; from hrstyle.cli import main; main(['--help'])"
    check = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules));"
    result = subprocess.run(
        [sys.executable, "-c", check + code], capture_output=True, text=True, check=True
    )
    assert result.stdout.endswith("False\n")

"""What is printed where the encoding lacks some of its letters, as Windows' cp1252 does."""

import os
import subprocess
import sys

import pytest

from hrstyle.cli import main
from hrstyle.terminal import refuse_long_dashes

ENCODINGS = ("cp1252", "latin-1", "ascii")


@pytest.fixture
def say(tmp_path):
    """Runs `hrstyle` in the folder, with an output of this encoding; the finished process."""

    def run(*arguments, encoding):
        return subprocess.run(
            [sys.executable, "-m", "hrstyle", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONIOENCODING": f"{encoding}:strict"},
            capture_output=True,
            check=False,
        )

    return run


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_names_that_the_output_cannot_show_do_not_end_a_batch(
    say, small, weights_file, tmp_path, encoding
):
    (tmp_path / "photos").mkdir()
    small.save(tmp_path / "photos" / "a.png")
    small.save(tmp_path / "photos" / "猫.png")
    (tmp_path / "photos" / "犬.png").write_text("no picture")
    result = say("stylize", "photos", "-o", "out", "--style", weights_file, encoding=encoding)
    assert result.returncode == 2
    assert rb"\u732b.png: 63x41" in result.stdout
    assert result.stderr.count(b"\n") == 2
    assert rb"photos/\u72ac.png is not a picture" in result.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "猫.png"]


def test_a_commands_help_is_printed_in_any_encoding(say):
    result = say("optimize", "--help", encoding="ascii")
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.slow
@pytest.mark.parametrize("program", ["train", "repaint"])
def test_the_hydra_programs_print_what_the_output_cannot_show(say, program):
    key = {"train": "style.image", "repaint": "data.root"}[program]
    result = say(program, f"{key}='絵.jpg'", "--cfg", "job", encoding="cp1252")
    assert result.returncode == 0, result.stderr
    assert rb"\u7d75.jpg" in result.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_a_name_in_another_encoding_is_told_once(say, weights_file, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in (b"caf\xe9.jpg", b"m\xfc.jpg"):
        (tmp_path / "photos" / os.fsdecode(name)).write_text("no picture")
    command = ["stylize", "photos", "-o", "out", "--style", weights_file]
    result = say(*command, encoding="utf-8")
    assert rb"hrstyle: photos/caf\udce9.jpg is not a picture" in result.stderr
    assert result.stderr.count(b"\n") == 3


@pytest.mark.skipif(os.name != "posix", reason="closes streams by a POSIX shell")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_is_as_good_as_none(small, weights_file, tmp_path, closed):
    small.save(tmp_path / "a.png")
    photo = "-" if closed == "<&-" else "gone.png"
    command = f"'{sys.executable}' -m hrstyle stylize {photo} -o b.png --style '{weights_file}'"
    result = subprocess.run(
        ["sh", "-c", f"{command} {closed}"], cwd=tmp_path, capture_output=True, check=False
    )
    assert result.returncode == 2, result.stderr
    assert result.stderr.count(b"\n") == (closed != "2>&-")
    assert not result.stdout


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("–o", "-o"), ("—output", "--output"), ("-—style", "--style"), ("−r", "-r")],
)
def test_an_option_after_a_long_dash_is_named(typed, meant, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["stylize", "a.png", typed, "b.png"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        f"hrstyle: {typed} begins with a long dash, not with -; type {meant}\n"
    )


def test_a_file_may_begin_with_a_long_dash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "–a.png").touch()
    refuse_long_dashes(["–a.png", "-o", "b–c.png"])

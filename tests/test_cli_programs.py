"""`hrstyle train` and `hrstyle repaint`, as the installed command calls them."""

import os
import subprocess
import sys

import pytest

from hrstyle.cli import build_parser


def hrstyle(folder, *arguments):
    # -P: the current folder is not searched for modules, just as by the installed command.
    code = "from hrstyle.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], cwd=folder, capture_output=True, text=True
    )


@pytest.mark.parametrize("program", ["train", "repaint"])
def test_all_arguments_reach_the_program(program):
    given = ["--help", "-m", "style=a b", "", "--", "--cfg", "job", "~trainer", "--version"]
    arguments = build_parser().parse_args([program, *given])
    assert arguments.command == program
    assert arguments.arguments == given


@pytest.mark.parametrize("program", ["train", "repaint"])
def test_both_programs_are_listed(run, capsys, program):
    assert run("--help") == 0
    assert f"\n    {program} " in capsys.readouterr().out


@pytest.mark.slow
def test_train_shows_its_own_help(tmp_path):
    result = hrstyle(tmp_path, "train", "--help")
    assert result.returncode == 0, result.stderr
    assert "hrstyle train style=starry_night" in result.stdout
    assert "data=folder data.root=PHOTOS" in result.stdout


@pytest.mark.slow
def test_repaint_exits_with_2_and_a_sentence(tmp_path):
    result = hrstyle(tmp_path, "repaint", "style=starry_night", "data.root=gone", "output=out")
    assert result.returncode == 2
    assert result.stderr == (
        "hrstyle.repaint: data.root=gone is not a folder; give one that holds photos\n"
    )


@pytest.mark.slow
def test_train_finds_a_loss_in_the_current_folder(tmp_path):
    (tmp_path / "mine.py").write_text("print('mine is imported')")
    result = hrstyle(
        tmp_path,
        "train",
        "style=starry_night",
        "loss.more_terms=[{_target_: mine.Gone, weight: 1}]",
    )
    assert result.returncode == 2
    assert "mine is imported" in result.stdout
    assert result.stderr.startswith("hrstyle.train: ")


@pytest.mark.skipif(os.name != "posix", reason="Windows deletes no current folder")
@pytest.mark.parametrize("command", ["train", "repaint", "serve"])
def test_a_current_folder_that_was_deleted_is_named(run, tmp_path, monkeypatch, capsys, command):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert run(command) == 2
    assert "the current folder was deleted" in capsys.readouterr().err

import argparse
from dataclasses import fields

import pytest

from hrstyle.cli import options
from hrstyle.cli.options import parse_style
from hrstyle.engine.options import StylizeOptions
from hrstyle.errors import InputError


@pytest.mark.parametrize(
    "text", ["1984", "1e3", "nan", ":0.5", "starry_night", "a:b", "https://a.org/b,c.jpg"]
)
def test_what_has_no_style_before_its_share_is_a_plain_name(text):
    assert parse_style(text) == text


def test_each_style_of_a_mixture_has_a_share_and_is_named_once():
    assert parse_style("1984:0.5, great_wave:2") == {"1984": 0.5, "great_wave": 2}
    assert parse_style("starry_night:0.5") == {"starry_night": 0.5}
    with pytest.raises(InputError, match="need shares: 1984:0.5,great_wave:0.5$"):
        parse_style("1984,great_wave:2")
    with pytest.raises(InputError, match="need shares: a:0.33,b:0.33,c:0.33$"):
        parse_style("a, b,c")
    with pytest.raises(InputError, match="named twice"):
        parse_style("1984:1,1984:2")


@pytest.mark.parametrize("name", ["1984", "mine:0.5", "a:1,b:2", "a,b.jpg"])
def test_a_file_may_be_called_anything(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    assert parse_style(name) == name


def test_a_file_may_be_in_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "x,y.jpg").touch()
    assert parse_style("~/x,y.jpg") == "~/x,y.jpg"


@pytest.mark.parametrize("command", ["stylize", "video", "optimize"])
def test_a_second_style_is_refused_and_not_the_first_forgotten(run, capsys, command):
    arguments = [command, "in.jpg", "-o", "out.jpg", "--style", "irises", "--style=great_wave:2"]
    assert run(*arguments) == 2
    assert "for a mixture, give one: --style irises:0.5,great_wave:0.5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("first", "second", "example"),
    [
        ("a:1,b:2", "c", "a:0.33,b:0.33,c:0.33"),
        ("all", "irises", ""),
        ("irises", "all", ""),
        ("irises", "irises", ""),
    ],
)
def test_the_example_of_a_mixture_is_one(run, capsys, first, second, example):
    assert run("stylize", "in.jpg", "-o", "out.jpg", "--style", first, "--style", second) == 2
    end = f"give one: --style {example}; see" if example else "give one; see"
    assert end in capsys.readouterr().err


def test_an_explanation_may_hold_a_percent_sign(monkeypatch):
    monkeypatch.setattr(options, "explanation", lambda name: "50% of it")
    parser = argparse.ArgumentParser()
    options.add_stylize_options(parser)
    assert parser.format_help().count("50% of it") == len(fields(StylizeOptions))

import argparse
from dataclasses import fields

import pytest

from hrstyle.cli import options
from hrstyle.cli.options import parse_style
from hrstyle.engine.options import StylizeOptions
from hrstyle.errors import InputError


@pytest.mark.parametrize("text", ["1984", "1e3", "nan", ":0.5", "starry_night", "a:b", "a,b"])
def test_what_has_no_style_before_its_share_is_a_plain_name(text):
    assert parse_style(text) == text


def test_each_style_of_a_mixture_has_a_share_and_is_named_once():
    assert parse_style("1984:0.5, great_wave:2") == {"1984": 0.5, "great_wave": 2}
    assert parse_style("starry_night:0.5") == {"starry_night": 0.5}
    with pytest.raises(InputError, match="each needs a share"):
        parse_style("1984,great_wave:0.5")
    with pytest.raises(InputError, match="named twice"):
        parse_style("1984:1,1984:2")


@pytest.mark.parametrize("name", ["1984", "mine:0.5", "a:1,b:2"])
def test_a_file_may_be_called_anything(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    assert parse_style(name) == name


def test_an_explanation_may_hold_a_percent_sign(monkeypatch):
    monkeypatch.setattr(options, "explanation", lambda name: "50% of it")
    parser = argparse.ArgumentParser()
    options.add_stylize_options(parser)
    assert parser.format_help().count("50% of it") == len(fields(StylizeOptions))

"""Each result is read back by Hydra's own parser."""

import os
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from hrstyle.entry.overrides import is_sweep, quote, quote_texts, split_options

NAMES = [
    "Gemälde.jpg",
    "絵.jpg",
    "painting (1).jpg",
    "it's.jpg",
    'the "best".jpg',
    "a&b.jpg",
    "p,q=r.jpg",
    "2024",
    "1e3",
    "true",
    "[a].jpg",
    "{a}.jpg",
    "50%.jpg",
    "~/a.jpg",
    "-a.jpg",
    "a: b.jpg",
    r"C:\Bilder\neu.jpg",
    "https://example.org/a.jpg?x=1&y=[2]#top",
    os.fsdecode(b"Gem\xe4lde.jpg"),
]


def parsed(setting: str) -> Override:
    return OverridesParser.create().parse_override(setting)


def value_of(text: str) -> object:
    """What a job gets as the value; quotes are only notation, as in `hydra.main`."""
    return parsed(f"key={text}").value()


def sweep_of(text: str) -> list[str]:
    override = parsed(f"key={quote(text, sweep=True)}")
    assert override.is_sweep_override()
    return list(override.sweep_string_iterator())


@pytest.mark.parametrize("name", NAMES)
def test_a_file_name_is_the_text_that_was_typed(name):
    assert value_of(quote(name)) == name


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_exists_is_meant_in_a_sweep_too(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "/" not in name:
        Path(name).touch()
        assert value_of(quote(name, sweep=True)) == name


@pytest.mark.parametrize("name", ["'a.jpg'", "[a,b]", "a,b.jpg"])
def test_an_existing_file_stands_for_itself_however_it_reads(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = quote(name, sweep=True)
    Path(name).touch()
    assert value_of(quote(name, sweep=True)) == name
    assert quote(name, sweep=True) != before


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[a.jpg,b.jpg]", ["a.jpg", "b.jpg"]),
        ("[ a (1).jpg , 'b,c.jpg',2024]", ["a (1).jpg", "b,c.jpg", "2024"]),
        ("[it's.jpg,絵.jpg]", ["it's.jpg", "絵.jpg"]),
        ("[]", []),
        ("'a b.jpg'", "a b.jpg"),
        ('"a,b.jpg"', "a,b.jpg"),
        ("null", None),
        ("", ""),
        ("{a: 1}", {"a": 1}),
    ],
)
def test_lists_quotes_and_null_keep_their_meaning(text, value):
    assert value_of(quote(text)) == value


@pytest.mark.parametrize("text", ["${style.name}", "runs/${style.name}/a", "${stem:${a.b}}"])
def test_an_interpolation_stays_one(text):
    assert value_of(quote(text)) == text  # OmegaConf resolves it


def test_a_bracket_that_is_not_the_first_and_last_means_nothing():
    assert value_of(quote("[draft] a.jpg")) == "[draft] a.jpg"


@pytest.mark.skipif(os.sep != "/", reason=r"on Windows \ separates folders")
def test_hydras_own_escapes_are_left_alone():
    assert value_of(quote(r"a\,b\=c.jpg")) == "a,b=c.jpg"


def test_a_sweep_quotes_each_text():
    assert sweep_of("it's.jpg,painting (1).jpg") == [r"'it\'s.jpg'", "'painting (1).jpg'"]
    assert [value_of(part) for part in sweep_of("2024,'p,q.jpg', 絵.jpg")] == [
        "2024",
        "p,q.jpg",
        "絵.jpg",
    ]
    assert [value_of(part) for part in sweep_of("[a,b],c")] == [["a", "b"], "c"]
    mixture = {"a": 0.5, "b": 0.5}
    assert [value_of(part) for part in sweep_of("c,{a: 0.5,b: 0.5}")] == ["c", mixture]
    assert sweep_of("${a.b},{c}.jpg") == ["'${a.b}'", "'{c}.jpg'"]


def test_a_comma_is_no_sweep_without_the_option():
    assert value_of(quote("a,b.jpg")) == "a,b.jpg"


@pytest.mark.parametrize("text", ["choice(a,b)", "glob(*)", "range(1,3)"])
def test_hydras_functions_stay_in_a_sweep(text):
    assert parsed(f"key={quote(text, sweep=True)}").is_sweep_override()
    assert value_of(quote(text)) == text


def test_only_texts_are_quoted():
    texts = ["style.image", "style.pictures.*.image", "run_dir"]
    settings = [
        "style.image=2024",
        "+style.pictures.mine.image=a (1).jpg",
        "++run_dir=true",
        "seed=2024",
        "style=starry_night",
        "~trainer",
        "run_dir",
    ]
    quoted = quote_texts(settings, texts, sweep=False)
    assert quoted[3:] == settings[3:]
    values = [parsed(setting) for setting in quoted[:3]]
    assert [value.value() for value in values] == ["2024", "a (1).jpg", "true"]
    assert [value.key_or_group for value in values] == [
        "style.image",
        "style.pictures.mine.image",
        "run_dir",
    ]


@pytest.mark.parametrize(
    ("arguments", "options", "settings"),
    [
        (["a=1", "-m", "b=2"], ["-m"], ["a=1", "b=2"]),
        (["--cfg", "job", "a=1"], ["--cfg", "job"], ["a=1"]),
        (["a=1", "--config-dir=mine", "-cn", "x"], ["--config-dir=mine", "-cn", "x"], ["a=1"]),
        (["--style", "a.jpg"], [], ["--style", "a.jpg"]),
        (["--style=a.jpg"], [], ["--style=a.jpg"]),
        (["style.image=-a.jpg"], [], ["style.image=-a.jpg"]),
    ],
)
def test_options_may_stand_anywhere(arguments, options, settings):
    assert split_options(arguments) == (options, settings)


def test_a_sweep_is_asked_for_by_an_option_or_a_setting():
    assert is_sweep(["-m"], [])
    assert is_sweep(["--multirun"], [])
    assert is_sweep([], ["hydra.mode=MULTIRUN"])
    assert not is_sweep(["--cfg", "job"], ["seed=1,2"])

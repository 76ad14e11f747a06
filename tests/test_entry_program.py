"""The command line of a Hydra program, tried with that of `hrstyle.train`."""

import os

import pytest

from hrstyle.train import __main__ as entry

NIGHT = "style=starry_night"


@pytest.fixture
def refused(call_entry, capsys):
    """The sentence with which the arguments are refused."""

    def call(*arguments):
        assert call_entry(entry.main, *arguments) == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    return call


@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        (["--style", "starry_night"], "did you mean style=starry_night?"),
        (["--style=a.jpg"], "did you mean style.image=a.jpg?"),
        (["--max-steps", "2"], "did you mean trainer.max_steps=2?"),
        (["a.jpg"], "did you mean style.image=a.jpg?"),
        (["irises"], "did you mean style=irises?"),
        (["last.ckpt"], "did you mean ckpt_path=last.ckpt?"),
        (["style=a.jpg"], "did you mean style.image=a.jpg?"),
        (["style=stary_night"], "did you mean starry_night"),
        ([NIGHT, "max_steps=2"], "did you mean trainer.max_steps=2?"),
        ([NIGHT, "style_weight=10"], "did you mean loss.style_weight=10"),
        ([NIGHT, "trainer.max_epochs=2"], "did you mean trainer.max_steps=2"),
        ([NIGHT, "data.root=ph"], "add data=folder"),
        ([NIGHT, "-x"], "see --help"),
        (["style.image=a.jpg", "b.jpg"], "did you mean style.image=b.jpg?"),
    ],
)
def test_wrong_doors_point_to_the_right_one(refused, arguments, question):
    sentence = refused(*arguments)
    assert sentence.startswith("hrstyle.train: ")
    assert question in sentence


def test_a_file_without_an_ending_is_taken_for_a_painting(refused, tmp_path):
    (tmp_path / "painting").touch()
    assert "did you mean style.image=painting?" in refused("painting")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("seed=-1", "seed=-1 must be a whole number"),
        ("seed=x", "seed=x must be a whole number"),
        ("~seed", "seed"),
        ("~trainer", "trainer cannot be left out"),
        ("~data", "data cannot be left out"),
        ("trainer=null", "cannot be null"),
        ("data=3", "cannot be null or a number"),
        ("run_dir=null", "run_dir=null is no folder"),
        (f"run_dir={os.fsdecode(bytes([0xE4]))}", "give another run_dir=FOLDER"),
        ("ckpt_path=true", "no checkpoint true"),
    ],
)
def test_impossible_settings_are_one_sentence(refused, setting, message):
    assert message in refused(NIGHT, setting)


def test_a_sweep_that_cannot_be_read_says_that_nothing_has_started(refused):
    assert "none of the sweep's jobs has started" in refused("-m", NIGHT, "max_steps=1,2")

"""Questions about keys, asked of the real configs of `hrstyle.train`."""

import pytest

from hrstyle.entry.suggestions import ask_about_key, did_you_mean
from hrstyle.styles.catalogue import CONFIGS
from hrstyle.train import __main__ as entry


@pytest.fixture(scope="module")
def ask():
    entry.register_signatures()

    def call(key, value="1", settings=()):
        return ask_about_key(key, value, folder=CONFIGS, config="train", settings=settings)

    return call


def test_the_most_similar_words_are_named():
    styles = ["starry_night", "great_wave", "irises"]
    assert did_you_mean("stary_night", styles) == "; did you mean starry_night?"
    assert did_you_mean("iris", styles, "2") == "; did you mean irises=2?"
    assert did_you_mean("guernica", styles) == ""


@pytest.mark.parametrize(
    ("key", "question"),
    [
        ("max_steps", "; did you mean trainer.max_steps=1?"),
        ("content_weight", "; did you mean loss.content_weight=1?"),
        ("los.style_weight", "; did you mean loss.style_weight=1"),
        ("loss.stile_weight", "; did you mean loss.style_weight=1"),
        ("learning_rate", "; did you mean module.learning_rate=1?"),
        ("run_folder", "; did you mean run_dir=1?"),
        ("trainer.max_epochs", "; did you mean trainer.max_steps=1"),
        ("zebra", ""),
    ],
)
def test_a_key_is_looked_for_in_all_groups(ask, key, question):
    found = ask(key)
    assert found.startswith(question)
    assert bool(found) is bool(question)


def test_a_key_in_several_groups_is_named_in_each(ask):
    found = ask("style_weight", "10")
    assert "loss.style_weight=10" in found
    assert "style.style_weight=10" in found


def test_a_key_of_another_choice_names_the_choice(ask):
    assert ask("data.root", "ph") == "; it is a setting of data=folder, so add data=folder"
    assert ask("data.content", "a.jpg") == "; it is a setting of data=pair, so add data=pair"


def test_a_choice_that_was_made_is_not_replaced(ask):
    found = ask("data.num_workers", "2", ["style=irises", "data=pair"])
    assert found == "; it is a setting of data=folder and data=samples, not of data=pair"


def test_a_choice_that_was_made_counts(ask):
    assert "data.root" in ask("root", "ph", ["data=folder"])
    assert "data.root" not in ask("root", "ph")

"""`python -m hrstyle.repaint`: what the command takes, says and refuses."""

import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

import hrstyle
from hrstyle.repaint import __main__ as entry


@pytest.fixture
def main(call_entry):
    return partial(call_entry, entry.main)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "data.root, output, style must be given, as KEY=VALUE"),
        (["style=guernica"], "no style or file named 'guernica'"),
        (["data.root=gone"], "data.root=gone is not a folder"),
        (["data.root=empty"], "empty holds no pictures"),
        (["stylize.strength=2"], "strength=2"),
        (["stylize.keep_colours=2"], "keep_colours=2"),
        (["stylize.keep_colours=some"], "keep_colours='some'"),
        (["stylise.strength=1"], "stylise.strength"),
        (["load.engine=steam"], "engine must be one of"),
        (["data.file_format=doc"], "format 'doc' cannot be written"),
        (["output=file/out"], "cannot make the folder file/out"),
        (["trainer.devices=-7"], "devices"),
        (["trainer.accelerator=abacus"], "abacus"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(main, capsys, tmp_path, arguments, message):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (24, 16)).save(photos / "a.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    given = {key for key, _, _ in (argument.partition("=") for argument in arguments)}
    usual = {"style": "starry_night", "data.root": str(photos), "output": "out"}
    extra = [f"{key}={value}" for key, value in usual.items() if arguments and key not in given]
    assert main(*arguments, *extra) == 2
    last_line = capsys.readouterr().err.strip().splitlines()[-1]
    assert last_line.startswith("hrstyle.repaint: ")
    assert message in last_line
    assert not list(tmp_path.glob("out/*.*"))


@pytest.mark.parametrize("share", [False, True, 0.4])
def test_colours_are_a_share_or_a_switch(main, tmp_path, share):
    (tmp_path / "in").mkdir()
    photo = tmp_path / "in" / "photo.png"
    Image.effect_noise((40, 30), 60).convert("RGB").save(photo)
    extra = [f"stylize.keep_colours={share}"] if share else []
    command = [f"data.root={photo.parent}", "output=out", "style=great_wave", *extra]
    assert main(*command, "load.engine=torch") == 0
    stylizer = hrstyle.load("great_wave", engine="torch", device="cpu")
    expected = np.asarray(stylizer.stylize(photo, keep_colours=share))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "photo.png")), expected)
    kept = json.loads((tmp_path / "out" / ".hrstyle.json").read_text())
    assert share == 0.4 or kept["keep_colours"] is share


@pytest.mark.slow
def test_help_shows_examples(main, capsys):
    assert main("--help") == 0
    text = capsys.readouterr().out
    for example in ("data.root=PHOTOS output=OUT", "trainer.devices=4", "failed.jsonl"):
        assert example in text

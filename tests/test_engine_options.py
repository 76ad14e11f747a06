import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image

from hrstyle.cli import build_parser
from hrstyle.cli.options import stylize_options
from hrstyle.engine.options import StylizeOptions, bytes_of, changed, explanation
from hrstyle.errors import InputError

NAMES = [field.name for field in fields(StylizeOptions)]


def test_amounts_of_memory_have_units():
    for text, value in {"2GB": 2e9, "500 mb": 5e8, "1.5G": 1.5e9, 7: 7, "1e9": 1e9}.items():
        assert bytes_of(text) == value
    for text in ("", "GB", "2 XB", "-1GB", 0, "1.2.3", "1e999"):
        with pytest.raises(InputError, match="2GB or 500MB"):
            bytes_of(text)


def test_numpys_numbers_will_do():
    picture = Image.new("L", (3, 2))
    options = StylizeOptions(
        size=np.int64(7), strength=np.float32(1), keep_colours=np.True_, brush=np.False_,
        stroke_size=np.float64(2), mask=picture,
    )  # fmt: skip
    assert options.blends


@pytest.mark.parametrize("name", NAMES)
def test_an_impossible_value_is_a_sentence(name):
    for value in ("no such thing", -1, float("nan"), np.array([True, False])):
        with pytest.raises(InputError):
            StylizeOptions(**{name: value})


def test_an_unknown_keyword_is_a_slip_in_the_program():
    for slip in (lambda: StylizeOptions(sise=1), lambda: changed(None, {"sise": 1})):
        with pytest.raises(TypeError, match="sise"):
            slip()


def test_changes_take_the_place_of_what_was_said():
    options = StylizeOptions(strength=0.5, size=30)
    assert changed(options, {}) is options
    assert changed(options, {"size": 40}) == StylizeOptions(strength=0.5, size=40)
    assert changed(None, {"size": 40}) == StylizeOptions(size=40)
    assert changed(None, {}) == StylizeOptions()
    with pytest.raises(InputError, match="size"):
        changed(options, {"size": 0})


def test_sizes_are_height_and_width():
    assert StylizeOptions().result_size((30, 20)) == (30, 20)
    assert StylizeOptions(size=15).result_size((30, 20)) == (15, 10)
    assert StylizeOptions(size=9).result_size((1, 1000)) == (1, 9)


def test_strokes_grow_above_600_000_pixels_of_the_result():
    assert StylizeOptions().strokes((600, 1000)) == 1 < StylizeOptions().strokes((600, 1001))


def test_a_mask_is_read_once(tmp_path):
    path = tmp_path / "mask.png"
    Image.new("L", (3, 2), 200).save(path)
    options = StylizeOptions(mask=path)
    path.unlink()
    for known in (options, pickle.loads(pickle.dumps(options))):
        assert known.mask == path
        assert known.soft_mask.picture.getextrema() == (200, 200)
    with pytest.raises(InputError, match="mask.png"):
        replace(options, size=3)


@pytest.mark.parametrize("command", ["stylize", "video"])
def test_the_command_line_has_each_option_and_explains_it(command, capsys):
    parser = build_parser()
    with pytest.raises(SystemExit):
        parser.parse_args([command, "--help"])
    text = "".join(capsys.readouterr().out.split())
    for name in NAMES:
        assert len(explanation(name)) > 40
        assert "".join(explanation(name).split()) in text
    usual = [command, "a.png", *(["b.mp4"] if command == "video" else []), "--style", "x"]
    assert stylize_options(parser.parse_args(usual)) == StylizeOptions()
    given = ["--strength=0.5", "--stroke-size=2", "--brush", "--colours=0.3", "--size=9"]
    given.append("--max-memory=2GB")
    assert stylize_options(parser.parse_args([*usual, *given])) == StylizeOptions(
        strength=0.5, stroke_size=2, brush=True, keep_colours=0.3, size=9, max_memory="2GB"
    )
    assert stylize_options(parser.parse_args([*usual, "--no-brush"])).brush is False


def test_masks_are_compared_by_their_pixels(tmp_path):
    white, black = np.ones((4, 4)), np.zeros((4, 4))
    Image.new("L", (4, 4), 255).save(tmp_path / "white.png")
    options = StylizeOptions(mask=white)
    assert options != StylizeOptions()
    assert options != StylizeOptions(mask=black)
    assert options == StylizeOptions(mask=tmp_path / "white.png")
    assert hash(options) == hash(StylizeOptions(mask=tmp_path / "white.png"))
    assert StylizeOptions(size=9) != StylizeOptions()

"""The styles that the web page offers; without Gradio."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from hrstyle import styles
from hrstyle.errors import InputError
from hrstyle.web.choices import THUMBNAILS, Choices, draw, offer


@pytest.fixture(scope="module")
def bundled():
    return offer()


def test_only_names_of_styles_are_styles(bundled, weights_file):
    for name in ("../../etc/passwd", str(weights_file), "base", "", None, ["great_wave"]):
        with pytest.raises(InputError, match="no style named"):
            bundled.find(name)
    with pytest.raises(InputError, match="no style named"):
        bundled.find("great_wave", "../../etc/passwd", 0.5)
    for share in (-0.1, 2, float("nan"), "1"):
        with pytest.raises(InputError, match="share"):
            bundled.find("great_wave", "the_scream", share)


def test_a_second_style_is_mixed_in(bundled):
    find = bundled.find
    assert find("great_wave", "the_scream", 0.25).style == "great_wave + the_scream"
    alone = find("great_wave")
    assert find("great_wave", "the_scream", 0.0) is find("great_wave", "great_wave", 0.5) is alone


def test_every_bundled_style_has_a_thumbnail_of_itself(bundled):
    assert bundled.names == sorted(path.stem for path in THUMBNAILS.glob("*.jpg"))
    assert bundled.names == styles.list_styles()
    drawn = np.asarray(draw("great_wave"), dtype=int)
    kept = np.asarray(Image.open(io.BytesIO(bundled.thumbnails["great_wave"])), dtype=int)
    assert abs(drawn - kept).mean() < 8  # what JPEG costs; another style is off by 40


def test_ones_own_styles_come_first_with_thumbnails_of_their_own(
    weights_file, tmp_path, monkeypatch
):
    shutil.copy(weights_file, tmp_path / "another.safetensors")
    monkeypatch.chdir(tmp_path)
    choices = offer(["tiny.safetensors", "another.safetensors"])
    assert choices.names == ["tiny", "tiny 2", *styles.list_styles()]
    assert choices.first == "tiny"
    monkeypatch.chdir("/")  # as the server does
    assert choices.find("tiny 2").style == "tiny"
    with Image.open(io.BytesIO(choices.thumbnails["tiny"])) as thumbnail:
        drawn = np.asarray(draw(str(weights_file)), dtype=int)
        assert abs(np.asarray(thumbnail, dtype=int) - drawn).mean() < 8
    with pytest.raises(InputError, match="common base"):
        choices.find("tiny", "great_wave", 0.5)


def test_the_style_sheet_takes_any_name():
    choices = Choices(sources={'a "b"': "x"}, thumbnails={'a "b"': b"jpeg"})
    assert choices.css("#styles").startswith(r'#styles label:has(input[value="a\20 \22 b\22 "])')


def test_a_file_that_is_no_style_is_named(tmp_path):
    (tmp_path / "x.safetensors").write_text("no weights")
    with pytest.raises(InputError, match=r"x\.safetensors"):
        offer([str(tmp_path / "x.safetensors")])
    with pytest.raises(InputError, match=r"gone\.safetensors"):
        offer([str(tmp_path / "gone.safetensors")])

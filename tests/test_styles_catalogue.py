import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import hrstyle
from hrstyle.errors import InputError
from hrstyle.images import to_tensor
from hrstyle.painting import brushed
from hrstyle.styles import (
    CONFIGS,
    LARGEST_SIDE,
    Style,
    StyleSet,
    find,
    gallery,
    picture_names,
)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_bundled_picture_has_its_size():
    picture = Style(image="starry_night", name="starry_night", size=256).load()
    assert picture.shape[:2] == (1, 3)
    assert max(picture.shape) == 256
    # Van Gogh's night is blue, and no white or black frame is left at the edges.
    red, green, blue = picture.mean((0, 2, 3))
    assert blue > green > red
    for edge in (picture[..., 0], picture[..., -1], picture[..., 0, :], picture[..., -1, :]):
        assert 0.1 < edge.mean() < 0.8


def test_picture_of_ones_own_is_enlarged_only_when_asked(tmp_path):
    Image.new("RGBA", (50, 40), "red").save(tmp_path / "mine.png")
    style = Style(image=str(tmp_path / "mine.png"), name="mine")
    assert style.load().shape == (1, 3, 40, 50)
    assert replace(style, size=100).load().shape == (1, 3, 80, 100)
    Image.new("RGB", (2000, 1000)).save(tmp_path / "mine.png")
    assert style.load().shape == (1, 3, LARGEST_SIDE // 2, LARGEST_SIDE)


def test_crop_is_in_shares_of_width_and_height(tmp_path):
    picture = Image.effect_noise((200, 100), 80).convert("RGB")
    picture.save(tmp_path / "p.png")
    style = Style(image=str(tmp_path / "p.png"), name="p", crop=[0.1, 0.2, 0.6, 1], clean=False)
    assert torch.equal(style.load(), to_tensor(picture.crop((20, 20, 120, 100))))
    for crop in ([0.5, 0, 0.5, 1], [0, 0, 1.1, 1], [-0.1, 0, 1, 1], [0, 0, 1]):
        with pytest.raises(InputError, match=r"style\.crop"):
            Style(image="starry_night", name="p", crop=crop)


def test_grain_is_taken_off_a_painting_unless_told_otherwise(tmp_path):
    grain = Image.effect_noise((60, 40), 60).convert("RGB")
    grain.save(tmp_path / "p.png")
    style = Style(image=str(tmp_path / "p.png"), name="p")
    expected = brushed(np.asarray(grain), (40, 60))
    assert torch.equal(style.load(), to_tensor(Image.fromarray(expected)))
    assert torch.equal(replace(style, clean=False).load(), to_tensor(grain))
    assert style.picture().tobytes() == grain.tobytes()  # what is shown is the painting itself


def test_a_picture_is_fetched_once_and_checked(web):
    folder, address = web
    picture = folder / "painting.png"
    Image.effect_noise((60, 50), 80).convert("RGB").save(picture)
    style = {"image": f"{address}/painting.png", "name": "p"}
    right = sha256(picture)
    assert Style(**style, sha256=right).load().shape == (1, 3, 50, 60)
    picture.unlink()  # no longer there: it comes from the cache
    assert Style(**style, sha256=right).load().shape == (1, 3, 50, 60)
    Image.new("RGB", (60, 50)).save(folder / "other.png")
    with pytest.raises(InputError, match=r"other\.png gives another file.*give its path"):
        Style(image=f"{address}/other.png", name="p", sha256=right).load()


def test_what_is_no_picture_is_not_kept(web):
    folder, address = web
    (folder / "p.png").write_bytes(b"soon to come")
    with pytest.raises(InputError, match=rf"{address}/p\.png: .*not a picture"):
        Style(image=f"{address}/p.png", name="p").load()
    Image.new("RGB", (60, 50)).save(folder / "p.png")
    assert Style(image=f"{address}/p.png", name="p").load().shape == (1, 3, 50, 60)


def test_a_set_of_styles_joins_their_credits_and_needs_other_names():
    parts = {
        "a": Style(image="starry_night", name="a", artist="A", year=1900),
        "b": Style(image="starry_night", name="b", title="B"),
    }
    both = StyleSet(name="both", pictures=parts)
    assert [part.name for part in both.parts] == ["a", "b"]
    assert both.credit == "A, 1900; B"
    assert parts["a"].parts == [parts["a"]]
    with pytest.raises(InputError, match=r"style\.pictures"):
        StyleSet(name="none", pictures={})
    with pytest.raises(InputError, match="each of another name"):
        StyleSet(name="a", pictures=parts)
    base = {"a": Style(image="starry_night", name="base")}
    with pytest.raises(InputError, match="none named 'mine' or 'base'"):
        StyleSet(name="mine", pictures=base)


def test_impossible_styles_are_input_errors(tmp_path):
    with pytest.raises(InputError, match=r"'mine\.png'.*starry_night"):
        Style(image="mine.png", name="mine").load()
    for name in ("a/b", "..", ""):
        with pytest.raises(InputError, match=r"style\.name"):
            Style(image="starry_night", name=name)
    Image.new("RGB", (2000, 40)).save(tmp_path / "strip.png")
    with pytest.raises(InputError, match="strip.png: 640x13"):
        Style(image=str(tmp_path / "strip.png"), name="strip").load()
    with pytest.raises(InputError, match=r"style\.size=8"):
        Style(image="starry_night", name="x", size=8)


def test_find_knows_names_and_pictures(tmp_path, monkeypatch):
    assert find("great_wave") is gallery()["great_wave"]
    assert find("great_wave").title == "The Great Wave off Kanagawa"
    Image.new("RGB", (30, 20), "red").save(tmp_path / "mine.png")
    assert find(tmp_path / "mine.png").picture().size == (30, 20)
    assert find(tmp_path / "mine.png").name == "mine"
    assert find("https://example.org/a/cat.jpg").name == "cat"
    Image.new("RGB", (9, 8)).save(tmp_path / "starry_night", "PNG")
    monkeypatch.chdir(tmp_path)  # a file goes before a bundled picture of that name
    assert find("starry_night").picture().size == (9, 8)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find("~/mine.png").load().shape == (1, 3, 20, 30)
    for name in ("guernica", str(tmp_path / "gone.jpg"), "~nobody_of_this_name/x.jpg", "x" * 300):
        with pytest.raises(InputError, match="no picture or style named.*great_wave"):
            find(name)


def test_a_crop_of_no_pixels(tmp_path):
    Image.new("RGB", (2000, 1000)).save(tmp_path / "p.png")
    style = Style(image=str(tmp_path / "p.png"), name="p", crop=[0, 0.5, 1, 0.5001])
    with pytest.raises(InputError, match="640x0 pixels .*both sides need 16"):
        style.load()


def test_a_picture_is_cropped_but_not_reduced(tmp_path):
    Image.new("RGB", (100, 80)).save(tmp_path / "mine.png")
    style = Style(image=str(tmp_path / "mine.png"), name="mine", crop=(0.1, 0, 1, 0.5), size=32)
    assert style.picture().size == (90, 40)


@pytest.mark.parametrize("name", sorted(set(picture_names())))
def test_a_painting_that_comes_along_needs_no_network(name, offline):
    picture = find(name).load()
    assert picture.shape[:2] == (1, 3)
    assert min(picture.shape[-2:]) > 200


def test_configs_of_the_installed_package_are_its_own(tmp_path):
    """As after `pip install --target .`, beside what belongs to another project."""
    package = tmp_path / "hrstyle"
    package.mkdir()
    for part in Path(hrstyle.__file__).parent.iterdir():
        (package / part.name).symlink_to(part)
    (package / "configs").symlink_to(CONFIGS)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "train.yaml").touch()
    code = "from hrstyle.styles import CONFIGS, gallery; print(CONFIGS, len(gallery()))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", code]
    said = subprocess.check_output(command, env=environment, cwd=tmp_path, text=True)
    assert said.split() == [str(package / "configs"), str(len(gallery()))]


def test_a_large_scan_is_read_as_large_as_it_is_looked_at(tmp_path):
    ramp = Image.linear_gradient("L").resize((1600, 800)).convert("RGB")
    ramp.save(tmp_path / "scan.jpg", quality=95)
    style = Style(image=str(tmp_path / "scan.jpg"), name="x", size=64, crop=(0.5, 0, 1, 1))
    assert style.picture().size == (800, 800)
    assert style.picture(at_least=100).size == (200, 200)
    ramp.crop((800, 0, 1600, 800)).save(tmp_path / "part.png")
    whole = Style(image=str(tmp_path / "part.png"), name="x", size=64)
    assert style.load().shape == whole.load().shape == (1, 3, 64, 64)
    assert (style.load() - whole.load()).abs().mean() < 0.01

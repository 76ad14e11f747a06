import shutil

import pytest

from hrstyle.errors import InputError
from hrstyle.styles import BASE, list_styles, picture_names, weights_file, weights_path


def test_the_bundled_styles_have_weights_and_others_are_refused():
    assert "starry_night" in list_styles()
    assert weights_path("starry_night").is_file()
    assert "starry_night" in picture_names()
    with pytest.raises(InputError, match="no style or file named 'guernica'.*starry_night"):
        weights_path("guernica")


def test_a_name_or_a_file_gives_its_file(tmp_path):
    file = shutil.copy(weights_path("irises"), tmp_path / "mine.safetensors")
    assert weights_file(file) == weights_file(str(file)) == file
    assert weights_file("irises") == weights_path("irises")
    assert weights_file(BASE) == weights_path(BASE)
    with pytest.raises(InputError, match="no weights at .*gone.ckpt; check the path"):
        weights_file(tmp_path / "gone.ckpt")


def test_a_picture_is_no_style_yet(photo):
    for source in (photo, str(photo), "https://example.org/a.jpg?x=1"):
        with pytest.raises(InputError) as refused:
            weights_file(source)
        assert f"`hrstyle train style.image={source}`" in str(refused.value)
        assert f"`hrstyle optimize PHOTO -o OUT --style {source}`" in str(refused.value)


def test_a_folder_names_the_weights_in_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "irises", "empty"):
        (tmp_path / name).mkdir()
    shutil.copy(weights_path("irises"), "mine/a.safetensors")
    with pytest.raises(
        InputError, match="mine is a folder; give the file in it: mine.a.safetensors$"
    ):
        weights_file("mine")
    shutil.copy(weights_path("irises"), "mine/b.safetensors")
    with pytest.raises(
        InputError, match="give the file in it: mine.a.safetensors or mine.b.safetensors"
    ):
        weights_file("mine/")
    with pytest.raises(InputError, match="it holds no .safetensors file"):
        weights_file("empty")
    assert weights_file("irises") == weights_path("irises")

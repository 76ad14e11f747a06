import pytest
from PIL import Image

from hrstyle.errors import InputError
from hrstyle.outputs import plan_outputs


@pytest.fixture
def photos(tmp_path):
    paths = [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png", tmp_path / "b" / "y.gif"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 20)).save(path)
    return paths


def test_one_photo_for_one_file(photos, tmp_path):
    assert plan_outputs([str(photos[0])], str(tmp_path / "out.jpg")) == [
        (photos[0], tmp_path / "out.jpg")
    ]


def test_a_folder_is_made_and_results_keep_their_names(photos, tmp_path):
    pairs = plan_outputs([str(p) for p in photos[1:]], str(tmp_path / "new" / "out"))
    out = tmp_path / "new" / "out"
    # GIF would cost the result its colours.
    assert pairs == [(photos[1], out / "x.png"), (photos[2], out / "y.png")]
    assert out.is_dir()


def test_a_folder_may_have_a_dot_in_its_name(photos, tmp_path):
    [(_, target)] = plan_outputs([str(photos[0])], f"{tmp_path}/v1.0/")
    assert target == tmp_path / "v1.0" / "x.png"


def test_nothing_is_overwritten_or_lost(photos, tmp_path):
    first, second, gif = (str(p) for p in photos)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "X.PNG").write_bytes(photos[0].read_bytes())
    for inputs, output, message in [
        ([first, second], tmp_path / "out", "two photos would become"),
        ([first, str(tmp_path / "c" / "X.PNG")], tmp_path / "out", "two photos would become"),
        ([first, gif], tmp_path / "out.png", "need a folder"),
        ([first, gif], tmp_path / "a", "another name"),
        ([first], first, "another name"),
        ([first], second, "another name"),
        ([first], tmp_path / "out.xyz", ".xyz"),
        ([str(tmp_path / "a")], tmp_path / "out", r"\*.jpg"),
        (["."], f"{tmp_path}/out/", r"\*.jpg"),
        ([first, gif], photos[0] / "out", "cannot make the folder"),
    ]:
        with pytest.raises(InputError, match=message):
            plan_outputs(inputs, str(output), keep=["", second, "a_name"])

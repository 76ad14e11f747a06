import shutil
import sys

import pytest
from PIL import Image

from hrstyle.errors import InputError
from hrstyle.images import Job, expand, plan_labelled, plan_output, plan_outputs, save_image


@pytest.fixture
def photos(tmp_path):
    paths = [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png", tmp_path / "b" / "y.gif"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 20)).save(path)
    return paths


def test_one_photo_for_one_file(photos, tmp_path):
    job = Job(photos[0], tmp_path / "out.jpg", animated=False)
    assert plan_outputs([str(photos[0])], str(tmp_path / "out.jpg")) == [job]
    assert plan_output(str(photos[0]), str(tmp_path / "out.jpg")) == job
    with pytest.raises(InputError, match=r"a is a folder; name a picture in it"):
        plan_output(str(tmp_path / "a"), str(tmp_path / "out.jpg"))


def test_a_folder_is_made_and_results_keep_their_names(photos, tmp_path):
    jobs = plan_outputs([str(p) for p in photos[1:]], str(tmp_path / "new" / "out"))
    out = tmp_path / "new" / "out"
    # GIF would cost the result its colours.
    assert jobs == [Job(photos[1], out / "x.png"), Job(photos[2], out / "y.png")]
    assert out.is_dir()


def test_a_label_is_appended_to_each_name_in_a_folder(photos, tmp_path):
    out = tmp_path / "out"
    labels = ["irises", "mondrian"]
    jobs, more = plan_labelled([str(photos[0])], str(out), labels)
    assert jobs == [Job(photos[0], out / "x-irises.png")]
    assert more == [Job(photos[0], out / "x-mondrian.png")]
    [jobs] = plan_labelled([str(p) for p in photos[1:]], str(out), ["irises"], file_format="webp")
    assert [job.target.name for job in jobs] == ["x-irises.webp", "y-irises.webp"]
    with pytest.raises(InputError, match="need a folder"):
        plan_labelled([str(photos[0])], f"{out}.png", labels)
    (out / "x-irises.png").touch()
    with pytest.raises(InputError, match="add --overwrite or --skip-existing"):
        plan_labelled([str(photos[0])], str(out), labels)


def test_a_folder_may_have_a_dot_in_its_name(photos, tmp_path):
    [job] = plan_outputs([str(photos[0])], f"{tmp_path}/v1.0/")
    assert job.target == tmp_path / "v1.0" / "x.png"


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
        ([str(tmp_path)], tmp_path / "out", "holds no pictures; add -r"),
        ([str(tmp_path / "a")], tmp_path / "out.png", "need a folder"),
        ([str(tmp_path / "a")], tmp_path / "a", "another name"),
        ([first, gif], photos[0] / "out", "cannot make the folder"),
    ]:
        with pytest.raises(InputError, match=message):
            plan_outputs(inputs, str(output), protected=["", second, "a_name"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_folder_keeps_its_structure_and_only_pictures_are_taken(photos, tmp_path, monkeypatch):
    (tmp_path / "b" / "deep").mkdir()
    for name in ("b/deep/Z.JPG", "b/.hidden.png", "b/notes.txt", "b/film.mpg", ".cache/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    out = tmp_path / "out"
    expected = {"a/x.png", "b/deep/Z.JPG", "b/x.png", "b/y.png"}
    for inputs, output in [(str(tmp_path), str(out)), (".", "out"), ("./", f"{out}/")]:
        monkeypatch.chdir(tmp_path)
        jobs = plan_outputs([inputs], output, recursive=True)
        assert {job.target.relative_to(output).as_posix() for job in jobs} == expected
        assert (out / "b" / "deep").is_dir()
        shutil.rmtree(out)
        out.mkdir()
        (out / "old.png").touch()  # an older result, which is not taken for a photo
    flat = plan_outputs([str(tmp_path / "b")], str(tmp_path / "v1.0"))
    assert [job.target for job in flat] == [
        tmp_path / "v1.0" / "x.png",
        tmp_path / "v1.0" / "y.png",
    ]


def test_results_of_one_folder_get_different_names(tmp_path):
    names = ["a.gif", "a.jpg", "a.png", "b.tga", "c.JPEG"]
    for name in names:
        (tmp_path / name).touch()
    out = tmp_path / "out"

    def targets(**options):
        return [job.target.name for job in plan_outputs([str(tmp_path)], str(out), **options)]

    assert targets() == ["a.gif.png", "a.jpg", "a.png", "b.png", "c.JPEG"]
    assert targets(file_format="png") == ["a.gif.png", "a.jpg.png", "a.png", "b.png", "c.png"]
    assert targets(file_format="JPEG") == [
        *("a.gif.jpeg", "a.jpg", "a.png.jpeg", "b.jpeg", "c.JPEG")
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps names apart by their case")
def test_names_that_differ_in_case_are_numbered(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("IMG.JPG", "IMG.jpg", "IMG-2.jpg", "a.gif", "a.gif.png", "a.png"):
        (tmp_path / "in" / name).touch()
    jobs = plan_outputs([str(tmp_path / "in")], str(tmp_path / "out"))
    assert {job.source.name: job.target.name for job in jobs} == {
        "IMG.JPG": "IMG.JPG", "IMG.jpg": "IMG-3.jpg", "IMG-2.jpg": "IMG-2.jpg",
        "a.gif": "a.gif.png", "a.gif.png": "a.gif-2.png", "a.png": "a.png",
    }  # fmt: skip
    photo = str(tmp_path / "in" / "a.png")
    with pytest.raises(InputError, match=r"a\.png is given 2 times; give it once"):
        plan_outputs([photo, photo], str(tmp_path / "out"))


def test_a_name_without_an_ending_is_told(photos, tmp_path):
    with pytest.raises(
        InputError, match="painted has no ending; use .png, or .*painted/ for a fol"
    ):
        plan_outputs([str(photos[0])], str(tmp_path / "painted"))
    with pytest.raises(InputError, match="painted has no ending; end its name in .png or .jpg"):
        save_image(Image.new("RGB", (2, 2)), tmp_path / "painted")


def test_results_that_are_there_are_kept_unless_told_otherwise(photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "x.png").touch()
    inputs = [str(path) for path in photos[1:]]
    with pytest.raises(InputError, match="x.png is there already; add --overwrite or --skip"):
        plan_outputs(inputs, str(out))
    assert len(plan_outputs(inputs, str(out), existing="overwrite")) == 2
    assert plan_outputs(inputs, str(out), existing="skip") == [Job(photos[2], out / "y.png")]
    (out / "y.png").touch()
    with pytest.raises(InputError, match="x.png and 1 more results are there already"):
        plan_outputs(inputs, str(out))
    assert plan_outputs(inputs, str(out), existing="skip") == []
    with pytest.raises(InputError, match="add --overwrite, or choose another name"):
        plan_outputs(inputs[:1], str(out / "x.png"))


def test_the_format_asked_for_decides_the_ending(photos, tmp_path):
    [job] = plan_outputs([str(photos[0])], f"{tmp_path}/out/", file_format="webp")
    assert job.target == tmp_path / "out" / "x.webp"
    with pytest.raises(InputError, match="no webp file; end its name in .webp"):
        plan_outputs([str(photos[0])], str(tmp_path / "x.jpg"), file_format="webp")
    with pytest.raises(InputError, match="x.gif: GIF is only for animations"):
        plan_outputs([str(photos[0])], f"{tmp_path}/out/", file_format="gif")
    for name in ("docx", "", "."):
        with pytest.raises(InputError, match="cannot be written; take png"):
            plan_outputs([str(photos[0])], f"{tmp_path}/out/", file_format=name)


def test_what_is_animated_stays_animated(tmp_path):
    still = Image.new("RGB", (5, 5))
    animation = {"save_all": True, "append_images": [Image.new("RGB", (5, 5), "red")]}
    still.save(tmp_path / "moves.gif", **animation)
    still.save(tmp_path / "moves.png", **animation)
    still.save(tmp_path / "pages.tif", **animation)  # of one document
    still.save(tmp_path / "still.gif")
    (tmp_path / "broken.gif").touch()

    def names(**options):
        options = {"animated": True, **options}
        jobs = plan_outputs([str(tmp_path)], str(tmp_path / "out"), **options)
        moving = {job.source.name for job in jobs if job.animated}
        assert moving == ({"moves.gif", "moves.png"} if options["animated"] else set())
        return [job.target.name for job in jobs]

    assert names() == ["broken.png", "moves.gif", "moves.png", "pages.tif", "still.png"]
    assert names(file_format="webp") == [
        *("broken.webp", "moves.gif.webp", "moves.png.webp", "pages.webp", "still.webp")
    ]
    told = []
    jobs = plan_outputs([str(tmp_path)], str(tmp_path / "out"), animated=True, file_format="jpeg",
                        tell=told.append)  # fmt: skip
    assert not any(job.animated for job in jobs)
    assert told == ["2 of the pictures move; jpeg can only hold them as stills"]
    moves = str(tmp_path / "moves.gif")
    assert plan_outputs([moves], str(tmp_path / "new.webp"))[0].target == tmp_path / "new.webp"
    assert plan_outputs([moves], str(tmp_path / "new.jpg"))[0].target == tmp_path / "new.jpg"
    assert names(animated=False)[1] == "moves.gif.png"
    for output, message in [("x.jpg", "cannot hold an animation"), ("no/x.gif", "no folder")]:
        with pytest.raises(InputError, match=message):
            plan_outputs([moves], str(tmp_path / output), animated=True)


def test_patterns_stand_for_the_files_that_they_fit(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inside = ["b/x.png", "b/y.gif"]
    assert [name.replace("\\", "/") for name in expand(["b/*", "a/x.png"])] == [*inside, "a/x.png"]
    assert expand([str(tmp_path / "?" / "x.png")]) == [str(photos[0]), str(photos[1])]
    photos[0].rename(tmp_path / "[b].png")
    assert expand(["[b].png", "gone.png", "-"]) == ["[b].png", "gone.png", "-"]
    with pytest.raises(InputError, match=r"nothing matches b/\*\.jpg; check the folder"):
        expand(["b/*.jpg"])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert len(expand(["~/b/*"])) == 2


def test_a_tilde_is_the_users_folder(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert plan_outputs(["~/a"], "~/new/") == [Job(photos[0], tmp_path / "new" / "x.png")]
    assert plan_output("~/a/x.png", "~/x.jpg") == Job(photos[0], tmp_path / "x.jpg")
    for how in ({"protected": ["~/b/x.png"]}, {}):
        output = "~/b/x.png" if how else "~/a/x.png"
        with pytest.raises(InputError, match="is one of the input files"):
            plan_output("~/a/x.png", output, existing="overwrite", **how)
    with pytest.raises(InputError, match="is a folder"):
        plan_output("~/a", "~/x.jpg")


def test_what_a_folder_holds_besides_pictures_is_told(photos, tmp_path):
    for name in ("a.nef", "notes.txt", "more.txt", "._x.png"):
        (tmp_path / "b" / name).touch()
    told = []
    plan_outputs([str(tmp_path / "b")], str(tmp_path / "out"), tell=told.append)
    [sentence] = told
    assert sentence.startswith(f"{tmp_path / 'b'}: left out 2 .txt, 1 .nef (export it as JPEG")
    told.clear()
    plan_outputs([str(tmp_path / "a")], str(tmp_path / "out2"), tell=told.append)
    assert told == []
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.nef").touch()
    with pytest.raises(InputError, match=r"holds no pictures; add -r.*; left out 1 \.nef"):
        plan_outputs([str(tmp_path / "c")], str(tmp_path / "out"))

"""`hrstyle stylize`."""

import json

import numpy as np
import pytest
from PIL import Image

import hrstyle
from hrstyle.cli import main
from hrstyle.engine import Painter
from hrstyle.images import open_image
from hrstyle.styles import list_styles


def test_a_photo_is_repainted_in_its_own_size(photo, weights_file, tmp_path, capsys):
    main(["stylize", str(photo), "-o", str(tmp_path / "out.jpg"), "--style", str(weights_file)])
    assert open_image(tmp_path / "out.jpg").size == open_image(photo).size
    assert "out.jpg: 451x300" in capsys.readouterr().out


def test_the_photo_itself_is_not_overwritten(run, weights_file, tmp_path, capsys):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (20, 20)).save(photo)
    before = photo.read_bytes()
    assert run("stylize", photo, "-o", photo, "--style", weights_file) == 2
    assert "another name" in capsys.readouterr().err
    assert photo.read_bytes() == before


def test_several_photos_go_into_a_folder(photo, weights_file, tmp_path, capsys):
    other = tmp_path / "dot.gif"
    Image.new("RGB", (20, 30), "teal").save(other)
    out = tmp_path / "painted"
    main(["stylize", str(photo), str(other), "-o", str(out), "--style", str(weights_file)])
    assert open_image(out / "chelsea.png").size == (451, 300)
    assert open_image(out / "dot.png").size == (20, 30)  # GIF would cost it its colours
    assert capsys.readouterr().out.count("\n") == 2


@pytest.mark.slow
def test_a_photo_that_failed_in_one_style_is_not_tried_in_the_others(run, small, tmp_path, capsys):
    small.save(tmp_path / "cat.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    photos = [tmp_path / "cat.png", tmp_path / "bad.png"]
    assert run("stylize", *photos, "-o", tmp_path / "out", "--style", "all") == 2
    errors = capsys.readouterr().err
    assert errors.count("bad.png") == 1
    assert "1 of 2 photos could not be repainted" in errors
    assert len(list((tmp_path / "out").iterdir())) == len(list_styles())


@pytest.mark.slow
def test_all_paints_in_every_bundled_style(run, small, tmp_path, capsys):
    small.save(tmp_path / "cat.png")
    command = ["stylize", tmp_path / "cat.png", "-o", tmp_path / "out", "--style", "all"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cat-irises.png").touch()
    main([*map(str, command), "--skip-existing"])
    assert capsys.readouterr().out.count("63x41") == len(list_styles()) - 1
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"cat-{style}.png" for style in list_styles()}
    painted = open_image(tmp_path / "out" / "cat-great_wave.png")
    expected = hrstyle.load("great_wave").stylize(small)
    assert np.abs(np.asarray(painted, int) - np.asarray(expected, int)).max() <= 2
    assert run(*command) == 2
    assert run(*command[:3], "-", *command[4:]) == 2
    assert "--style all is for files" in capsys.readouterr().err


def test_one_broken_photo_does_not_stop_the_others(run, photo, weights_file, tmp_path, capsys):
    (tmp_path / "broken.jpg").write_text("no picture")
    out = tmp_path / "painted"
    broken = tmp_path / "broken.jpg"
    assert run("stylize", broken, photo, "-o", f"{out}/", "--style", weights_file) == 2
    error = capsys.readouterr().err
    assert "broken.jpg is not a picture" in error
    assert "1 of 2 photos" in error
    assert [path.name for path in out.iterdir()] == ["chelsea.png"]


def test_a_photo_that_a_device_cannot_hold_does_not_stop_the_others(
    run, weights_file, tmp_path, capsys, monkeypatch
):
    for name, width in (("a.png", 20), ("b.png", 30), ("c.png", 20)):
        Image.new("RGB", (width, 10)).save(tmp_path / name)
    paint = Painter.paint_strokes

    def fail(self, picture, *, size, **how):
        if size == (10, 30):
            raise RuntimeError("out of memory:\n30 pixels")
        return paint(self, picture, size=size, **how)

    monkeypatch.setattr(Painter, "paint_strokes", fail)
    photos = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    out = tmp_path / "painted"
    assert run("stylize", *photos, "-o", f"{out}/", "--style", weights_file) == 2
    error = capsys.readouterr().err
    assert f"hrstyle: {tmp_path / 'b.png'}: out of memory: 30 pixels\n" in error
    assert "1 of 3 photos could not be repainted" in error
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "c.png"]


def test_a_single_photo_that_a_device_cannot_hold_is_one_sentence(
    run, small, weights_file, tmp_path, capsys, monkeypatch
):
    def fail(self, picture, **how):
        raise RuntimeError("out of memory:\n30 pixels")

    monkeypatch.setattr(Painter, "paint_strokes", fail)
    photo = tmp_path / "a.png"
    small.save(photo)
    assert run("stylize", photo, "-o", tmp_path / "b.png", "--style", weights_file) == 2
    assert capsys.readouterr().err == f"hrstyle: {photo}: out of memory: 30 pixels\n"


@pytest.mark.parametrize(
    ("photo", "out", "message"),
    [("wide.png", "x.webp", "16383 pixels a side"), ("clear.png", "x.jpg", "transparency")],
)
def test_what_cannot_be_written_is_told_before_the_work(
    run, weights_file, tmp_path, capsys, monkeypatch, photo, out, message
):
    Image.new("RGB", (16384, 1)).save(tmp_path / "wide.png")
    Image.new("RGBA", (20, 10)).save(tmp_path / "clear.png")
    monkeypatch.setattr(Painter, "paint_strokes", lambda *a, **how: pytest.fail("painted"))
    assert run("stylize", tmp_path / photo, "-o", tmp_path / out, "--style", weights_file) == 2
    assert message in capsys.readouterr().err


def test_a_tilde_is_the_users_folder(weights_file, small, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    small.save("cat.png")
    main(["stylize", "cat.png", "--output=~/painted/", "--style", str(weights_file)])
    assert (tmp_path / "painted" / "cat.png").is_file()
    assert not (tmp_path / "~").exists()


def test_a_folder_is_repainted_with_the_folders_in_it(run, weights_file, tmp_path, capsys):
    photos, out = tmp_path / "photos", tmp_path / "out"
    (photos / "deep").mkdir(parents=True)
    for name in ("a.jpg", "a.png", "deep/b.bmp", "deep/.c.png"):
        Image.new("RGB", (20, 30), "teal").save(photos / name)
    (photos / "broken.jpg").write_text("no picture")
    command = ["stylize", photos, "-r", "-o", out, "--style", weights_file, "--format", "png"]
    assert run(*command, "--json") == 2
    output = capsys.readouterr()
    assert "broken.jpg is not a picture" in output.err
    facts = [json.loads(line) for line in output.out.splitlines()]
    first = {"input": str(photos / "a.jpg"), "output": str(out / "a.jpg.png")}
    assert facts[0] == first | {"width": 20, "height": 30, "frames": 1, "dtype": "float32"}
    assert ["error" in fact for fact in facts] == [False, False, True, False]
    names = {path.relative_to(out).as_posix() for path in out.rglob("*.png")}
    assert names == {"a.jpg.png", "a.png", "deep/b.png"}

    assert run(*command) == 2
    assert "a.jpg.png and 2 more results are there already" in capsys.readouterr().err
    (out / "a.png").unlink()
    (photos / "broken.jpg").unlink()
    before = (out / "a.jpg.png").stat()
    main([str(a) for a in [*command, "--skip-existing"]])
    assert capsys.readouterr().out == f"{out / 'a.png'}: 20x30\n"
    assert (out / "a.jpg.png").stat() == before
    main([str(a) for a in [*command, "--overwrite"]])
    assert capsys.readouterr().out.count("\n") == 3


@pytest.mark.slow
def test_how_a_result_is_made_and_kept(run, photo, weights_file, tmp_path):
    mask, source, out = tmp_path / "mask.png", tmp_path / "photo.jpg", tmp_path / "out.jpg"
    Image.linear_gradient("L").save(mask)
    exif = Image.Exif()
    exif[0x013B] = "Someone"
    open_image(photo).save(source, exif=exif)
    command = ["stylize", source, "-o", out, "--style", weights_file, "--overwrite"]
    for option, share in (["--keep-colours"], True), (["--colors", 0.4], 0.4):
        main([str(a) for a in [*command, "--size", 200, *option, "--mask", mask]])
        result = open_image(out)
        how = {"size": 200, "mask": mask}
        expected = hrstyle.load(weights_file).stylize(source, keep_colours=share, **how)
        assert np.abs(np.asarray(result, int) - np.asarray(expected, int)).mean() < 2
    assert result.getexif()[0x013B] == "Someone"
    assert result.info["icc_profile"]
    before = mask.read_bytes()
    assert run(*command[:3], mask, *command[4:], "--mask", mask) == 2
    assert mask.read_bytes() == before
    size = out.stat().st_size
    main([str(a) for a in [*command, "--size", 200, "--strip", "--quality", 30]])
    assert not open_image(out).getexif()
    assert "icc_profile" not in open_image(out).info
    assert out.stat().st_size < size / 2


def test_two_photos_of_one_name_are_refused_before_the_work(
    run, photo, weights_file, tmp_path, capsys
):
    other = tmp_path / "chelsea.png"
    Image.new("RGB", (20, 20)).save(other)
    assert run("stylize", photo, other, "-o", tmp_path / "out", "--style", weights_file) == 2
    assert "two photos would become" in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.slow
def test_bad_settings_of_the_pass_are_told_and_good_ones_taken(
    run, photo, weights_file, tmp_path, capsys
):
    common = ["stylize", photo, "-o", tmp_path / "out.png", "--style", weights_file]
    for option, value, message in [
        ("--max-memory", "much", "amount of memory"),
        ("--dtype", "int4", "float32, bfloat16, float16"),
        ("--engine", "steam", "torch, openvino"),
        ("--device", "warp", "try cpu"),
    ]:
        assert run(*common, option, value) == 2
        assert message in capsys.readouterr().err
    small = ["--max-memory", "1MB", "--dtype", "bfloat16", "--engine", "torch"]
    main([str(a) for a in [*common, *small]])
    assert open_image(tmp_path / "out.png").size == (451, 300)


@pytest.mark.slow
def test_strength_stroke_size_and_mixtures(photo, tmp_path):
    common = ["stylize", str(photo), "-o", str(tmp_path / "out.png"), "--device", "cpu"]
    main([*common, "--style", "starry_night", "--strength", "0"])
    assert np.array_equal(
        np.asarray(open_image(tmp_path / "out.png")), np.asarray(open_image(photo))
    )
    mixture = {"starry_night": 0.5, "great_wave": 1.5}
    common.append("--overwrite")
    main([*common, "--style", "starry_night:0.5,great_wave:1.5", "--stroke-size", "2"])
    expected = hrstyle.load(mixture, device="cpu", engine="torch").stylize(photo, stroke_size=2)
    assert np.array_equal(np.asarray(open_image(tmp_path / "out.png")), np.asarray(expected))


@pytest.mark.slow
def test_refine_paints_what_a_refiner_paints(run, photo, weights_file, tmp_path, capsys):
    small, out = tmp_path / "small.png", tmp_path / "out.png"
    open_image(photo).resize((60, 40)).save(small)
    common = ["stylize", str(small), "-o", str(out), "--style", str(weights_file), "--json"]
    assert run(*common, "--refine", "2") == 2
    assert "no painting is known for the style tiny" in capsys.readouterr().err
    main([*common, "--refine", "2", "--painting", str(photo), "--size", "90"])
    assert json.loads(capsys.readouterr().out)["width"] == 90
    stylizer = hrstyle.load(weights_file, device="cpu", engine="torch")
    expected = hrstyle.Refiner(stylizer, painting=photo, steps=2).stylize(small, size=90)
    assert np.array_equal(np.asarray(open_image(out)), np.asarray(expected))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--style", "starry_night:1,great_wave"], "several styles need shares"),
        (["--style", "starry_night:1,starry_night:2"], "named twice"),
        (["--style", "starry_night,great_wave"], "starry_night,great_wave"),
        (["--style", "x" * 300], "xxx"),
        (["--style", "starry_night:1,guernica:1"], "guernica"),
        (["--style", "starry_night", "--strength", "2"], "from 0 (the photo) to 1 (the style)"),
        (["--style", "starry_night", "--stroke-size", "0"], "2 doubles the strokes"),
        (["--style", "starry_night", "--refine", "0"], "a whole number from 1 to 1000"),
        (["--style", "starry_night", "--painting", "a.jpg"], "--painting is for --refine STEPS"),
        (["--style", "all", "--refine", "9", "--painting", "a.jpg"], "for a single style"),
        (["--style", "starry_night:1,irises:1", "--refine", "9"], "give its picture with"),
    ],
)
def test_impossible_strengths_strokes_and_mixtures_are_one_sentence(
    run, photo, tmp_path, capsys, options, message
):
    assert run("stylize", photo, "-o", tmp_path / "out.png", *options) == 2
    assert message in capsys.readouterr().err


def test_a_pattern_that_the_shell_left_and_what_a_folder_holds_besides(
    run, weights_file, small, tmp_path, capsys
):
    for name in ("a.png", "b.png", "c.png"):
        small.save(tmp_path / name)
    out = tmp_path / "out"
    main(["stylize", str(tmp_path / "[ab].png"), "-o", str(out), "--style", str(weights_file)])
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png"]
    assert capsys.readouterr().err == ""
    main(["stylize", str(tmp_path), "-o", str(tmp_path / "all"), "--style", str(weights_file)])
    ending = weights_file.suffix
    assert capsys.readouterr().err == f"hrstyle: {tmp_path}: left out 1 {ending}\n"
    assert run("stylize", tmp_path / "*.jpg", "-o", out, "--style", weights_file) == 2
    assert "nothing matches" in capsys.readouterr().err

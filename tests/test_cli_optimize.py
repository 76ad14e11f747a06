import signal

import numpy as np
import pytest
from PIL import Image

import hrstyle
from hrstyle.cli import main
from hrstyle.images import open_image

SHALLOW = ["--loss", "gram", "--content-layers", "relu1_2", "--style-layers", "relu1_1,relu2_1"]


def test_optimize_saves_what_the_function_gives(photo, tmp_path, capsys):
    out = tmp_path / "out.png"
    run_it = ["optimize", photo, "-o", out, "--style", "starry_night", "--size", "64", *SHALLOW]
    main([str(a) for a in [*run_it, "--steps", "3", "--style-layer-weights", "1,2"]])
    assert capsys.readouterr().out.startswith(f"{out}: 64x43, 3 steps")
    expected = hrstyle.optimize(
        photo,
        "starry_night",
        size=64,
        steps=3,
        loss="gram",
        content_layers=["relu1_2"],
        style_layers=["relu1_1", "relu2_1"],
        style_layer_weights=[1, 2],
    )
    assert np.array_equal(np.asarray(open_image(out)), np.asarray(expected))


def test_every_option_of_optimize_reaches_it(photo, tmp_path, monkeypatch):
    import hrstyle.optimization

    given = {}

    def record(content, style, **settings):
        given.update(settings, style=style)
        return content

    monkeypatch.setattr(hrstyle.optimization, "optimize", record)
    options = (
        "--style a.jpg:2,b:1 --steps 9 --size 99 --start noise --method adam --content-weight 2"
        " --style-weight 3 --tv-weight 4 --loss gram --content-layers x --style-layers y,z"
        " --style-layer-weights 5,6 --pooling avg --style-scale 2 --one-size --colours 0.4 --seed 8"
        " --device cpu --dtype bfloat16"
    )
    main(["optimize", str(photo), "-o", str(tmp_path / "out.png"), *options.split()])
    del given["callback"], given["progress"]
    assert given == {
        "style": {"a.jpg": 2, "b": 1}, "steps": 9, "size": 99, "start": "noise", "method": "adam",
        "content_weight": 2, "style_weight": 3, "tv_weight": 4, "loss": "gram",
        "content_layers": ["x"],
        "style_layers": ["y", "z"], "style_layer_weights": [5, 6], "pooling": "avg",
        "style_scale": 2, "coarse_to_fine": False, "keep_colours": 0.4, "seed": 8,
        "device": "cpu", "dtype": "bfloat16",
    }  # fmt: skip


def test_optimize_shows_previews_and_keeps_the_best_on_ctrl_c(
    run, photo, tmp_path, monkeypatch, capsys
):
    from hrstyle.images import writing

    out, sizes = tmp_path / "out.png", []

    def save_and_interrupt(image, path, save=writing.save_image, **how):
        save(image, path, **how)
        sizes.append(image.size)
        if len(sizes) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(writing, "save_image", save_and_interrupt)
    options = ["--size", "64", "--steps", "30", "--preview-every", "2", *SHALLOW]
    assert run("optimize", photo, "-o", out, "--style", "starry_night", *options) == 130
    assert sizes == [(64, 43)] * 3
    assert "64x43, 4 steps" in capsys.readouterr().out
    assert open_image(out).size == (64, 43)


def test_strip_and_quality_hold_for_what_was_optimised(run, photo, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    open_image(photo).resize((64, 43)).save(tmp_path / "photo.jpg", exif=exif)
    common = ["optimize", str(tmp_path / "photo.jpg"), "--style", "starry_night", "--steps", "1"]
    sizes = {}
    for name, options in (("all", []), ("little", ["--strip", "--quality", "10"])):
        out = tmp_path / f"{name}.jpg"
        main([*common, *SHALLOW, *options, "-o", str(out)])
        sizes[name] = out.stat().st_size
        assert (open_image(out).getexif().get(0x010F) == "a camera") == (name == "all")
    assert sizes["little"] < sizes["all"] / 2
    assert run(*common, *SHALLOW, "--quality", "0", "-o", tmp_path / "none.jpg") == 2


def test_optimize_complains_before_the_work(run, photo, tmp_path, capsys):
    clear = tmp_path / "clear.png"
    Image.new("RGBA", (64, 64)).save(clear)
    good = {"photo": photo, "out": tmp_path / "out.png", "style": "starry_night"}
    for change, options, message in [
        ({"photo": tmp_path / "gone.jpg"}, [], "gone.jpg"),
        ({"photo": clear, "out": tmp_path / "out.jpg"}, [], "transparency"),
        ({"out": tmp_path / "nowhere" / "out.png"}, [], "nowhere"),
        ({"out": photo}, [], "another name"),
        ({"style": "guernica"}, [], "guernica"),
        ({}, ["--preview-every", "0"], "at least 1"),
        ({}, ["--steps", "0"], "steps=0"),
        ({}, ["--loss", "gram", "--style-layers", "relu1_1, relu9_9"], "relu9_9"),
        ({}, ["--style-layers", "relu1_1"], "loss=painterly has no style_layers"),
        ({}, ["--loss", "oil"], "must be one of painterly, gram"),
        ({}, ["--style-weight", "nan"], "style_weight=nan"),
        ({}, ["--tv-weight", "-1"], "total_variation: weight=-1"),
        ({}, ["--seed", "-1"], "seed=-1"),
        ({"out": clear, "style": clear}, [], "another name"),
        ({"out": clear}, ["--start", str(clear)], "another name"),
    ]:
        names = good | change
        assert run("optimize", names["photo"], "-o", names["out"], "--style", names["style"],
                   *options) == 2  # fmt: skip
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert (
        run("optimize", photo, "-o", good["out"], "--style", "x", "--style-layer-weights", "a") == 2
    )
    assert not list(tmp_path.glob("out*"))


def test_folders_and_several_photos_are_optimised_one_after_the_other(
    run, small, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holiday" / "beach").mkdir(parents=True)
    for name in ("a.png", "holiday/b.png", "holiday/beach/c.png"):
        small.save(name)
    Image.new("RGB", (400, 9)).save("holiday/flat.png")
    (tmp_path / "holiday" / "broken.png").write_text("no picture")
    command = ["optimize", "*.png", "holiday", "-r", "-o", "out", "--style", "starry_night",
               "--steps", 1, *SHALLOW]  # fmt: skip
    assert run(*command) == 2
    written = capsys.readouterr()
    results = ["out/a.png", "out/b.png", "out/beach/c.png"]
    assert [line.split(",")[0] for line in written.out.splitlines()] == [
        f"{name}: 63x41" for name in results
    ]
    broken, flat, last = written.err.splitlines()
    assert broken.startswith("hrstyle: holiday/broken.png is not a picture")
    assert flat.startswith("hrstyle: holiday/flat.png: the result would have 400x9 pixels")
    assert last.startswith("hrstyle: 2 of 5 photos could not be repainted")
    expected = hrstyle.optimize(
        small, "starry_night", steps=1, loss="gram", content_layers=["relu1_2"],
        style_layers=["relu1_1", "relu2_1"],
    )  # fmt: skip
    for name in results:
        assert np.array_equal(np.asarray(open_image(name)), np.asarray(expected))
    assert run(*command) == 2
    assert "add --overwrite or --skip-existing" in capsys.readouterr().err
    main(["optimize", "a.png", "-o", "out/", "--style", "starry_night", "--skip-existing"])
    assert "all results exist already" in capsys.readouterr().err


@pytest.mark.parametrize("count", [1, 2])
def test_a_photo_that_memory_cannot_hold_is_one_sentence(
    run, small, tmp_path, monkeypatch, capsys, count
):
    import hrstyle.optimization

    def fail(*content, **settings):
        raise MemoryError

    monkeypatch.setattr(hrstyle.optimization, "optimize", fail)
    photos = [tmp_path / name for name in ("a.png", "b.png")][:count]
    for photo in photos:
        small.save(photo)
    assert run("optimize", *photos, "-o", f"{tmp_path}/out/", "--style", "starry_night") == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[:count] == [f"hrstyle: {photo}: MemoryError" for photo in photos]
    assert len(lines) == (3 if count == 2 else 1)


def test_a_wrong_setting_of_several_photos_is_told_once(run, small, tmp_path, capsys):
    for name in ("a.png", "b.png"):
        small.save(tmp_path / name)
    for option in (["--steps", "0"], ["--size", "5"], ["--loss", "oil"]):
        assert run("optimize", tmp_path, "-o", tmp_path / "out", "--style", "starry_night",
                   *option) == 2  # fmt: skip
        assert capsys.readouterr().err.count("\n") == 1


def test_a_preview_that_cannot_be_written_does_not_end_the_work(
    photo, tmp_path, monkeypatch, capsys
):
    from hrstyle.images import writing

    out, calls = tmp_path / "out.png", []

    def fail_first(image, path, save=writing.save_image, **how):
        calls.append(path)
        if len(calls) == 1:
            raise hrstyle.InputError("the disk is full")
        save(image, path, **how)

    monkeypatch.setattr(writing, "save_image", fail_first)
    options = ["--size", "64", "--steps", "2", "--preview-every", "1", *SHALLOW]
    main([str(a) for a in ["optimize", photo, "-o", out, "--style", "starry_night", *options]])
    assert "the disk is full" in capsys.readouterr().err
    assert open_image(out).size == (64, 43)


def test_ctrl_c_before_there_is_anything_leaves_an_older_result_alone(
    run, photo, tmp_path, monkeypatch, capsys
):
    from hrstyle.losses import PerceptualLoss

    out = tmp_path / "out.png"
    Image.new("RGB", (5, 5)).save(out)

    def interrupt(self, content):
        raise KeyboardInterrupt

    monkeypatch.setattr(PerceptualLoss, "photo_features", interrupt)
    command = ["optimize", photo, "-o", out, "--style", "starry_night", "--size", "64"]
    assert run(*command) == 2
    assert "is there already; add --overwrite" in capsys.readouterr().err
    assert run(*command, "--overwrite") == 130
    assert open_image(out).size == (5, 5)


def test_a_loss_that_is_not_finite_is_one_sentence(photo, tmp_path):
    with pytest.raises(SystemExit, match="hrstyle: the loss is not finite"):
        main(["optimize", str(photo), "-o", str(tmp_path / "out.png"), "--style", "starry_night",
              "--style-weight", "1e39", "--size", "64", *SHALLOW])  # fmt: skip
    assert not list(tmp_path.iterdir())

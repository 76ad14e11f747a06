import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import hrstyle
from hrstyle.cli import main
from hrstyle.images import open_image


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return stop.value.code


def test_stylize(photo, weights_file, tmp_path, capsys):
    main(["stylize", str(photo), "-o", str(tmp_path / "out.jpg"), "--style", str(weights_file)])
    assert open_image(tmp_path / "out.jpg").size == open_image(photo).size
    assert "out.jpg: 451x300" in capsys.readouterr().out


def test_module_and_command_are_the_same(photo, tmp_path):
    out = tmp_path / "out.png"
    command = ["stylize", photo, "-o", out, "--style", "starry_night", "--device", "cpu"]
    subprocess.run([sys.executable, "-m", "hrstyle", *command], check=True, cwd=tmp_path)
    assert open_image(out).size == (451, 300)


def test_bad_input_is_one_sentence_and_exit_code_2(photo, weights_file, tmp_path, capsys):
    good = {"input": photo, "output": tmp_path / "out.png", "style": weights_file}
    bad = [
        ({"input": tmp_path / "gone.jpg"}, "gone.jpg"),
        ({"output": tmp_path / "out.xyz"}, ".xyz"),
        ({"output": tmp_path / "nowhere" / "out.png"}, "nowhere"),
        ({"style": "guernica"}, "starry_night"),
        ({"style": "~nobody_of_this_name/x.safetensors"}, "home directory"),
    ]
    for change, message in bad:
        values = good | change
        code = run("stylize", values["input"], "-o", values["output"], "--style", values["style"])
        error = capsys.readouterr().err
        assert code == 2
        assert message in error
        assert error.startswith("hrstyle: ")
        assert error.count("\n") == 1
    assert not list(tmp_path.glob("out*"))


def test_the_photo_itself_is_not_overwritten(weights_file, tmp_path, capsys):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (20, 20)).save(photo)
    before = photo.read_bytes()
    assert run("stylize", photo, "-o", photo, "--style", weights_file) == 2
    assert "another name" in capsys.readouterr().err
    assert photo.read_bytes() == before


def test_help_teaches(capsys):
    assert run("--help") == 0
    text = capsys.readouterr().out
    assert "hrstyle stylize cat.jpg" in text
    assert "python -m hrstyle.train" in text
    assert run("stylize") == 2


def test_several_photos_go_into_a_folder(photo, weights_file, tmp_path, capsys):
    other = tmp_path / "dot.gif"
    Image.new("RGB", (20, 30), "teal").save(other)
    out = tmp_path / "painted"
    main(["stylize", str(photo), str(other), "-o", str(out), "--style", str(weights_file)])
    assert open_image(out / "chelsea.png").size == (451, 300)
    assert open_image(out / "dot.png").size == (20, 30)  # GIF would cost it its colours
    assert capsys.readouterr().out.count("\n") == 2


def test_one_broken_photo_does_not_stop_the_others(photo, weights_file, tmp_path, capsys):
    (tmp_path / "broken.jpg").write_text("no picture")
    out = tmp_path / "painted"
    broken = tmp_path / "broken.jpg"
    assert run("stylize", broken, photo, "-o", f"{out}/", "--style", weights_file) == 2
    error = capsys.readouterr().err
    assert "broken.jpg is not a picture" in error
    assert "1 of 2 photos" in error
    assert [path.name for path in out.iterdir()] == ["chelsea.png"]


def test_outputs_that_would_be_lost(photo, weights_file, tmp_path, capsys):
    other = tmp_path / "chelsea.png"
    Image.new("RGB", (20, 20)).save(other)
    assert run("stylize", photo, other, "-o", tmp_path / "out", "--style", weights_file) == 2
    assert "two photos would become" in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*"))


def test_settings_reach_the_pass(photo, weights_file, tmp_path, capsys):
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


def test_export(weights_file, tmp_path, capsys):
    main(["export", str(weights_file), str(tmp_path / "tiny.onnx"), "--dtype", "float16"])
    assert (tmp_path / "tiny.onnx").stat().st_size > 0
    assert "of 255 from PyTorch (64x64, 131x83, 190x250 px)" in capsys.readouterr().out
    assert run("export", weights_file, tmp_path / "tiny.pt") == 2
    assert ".onnx" in capsys.readouterr().err


def test_strength_stroke_size_and_mixtures(photo, tmp_path):
    common = ["stylize", str(photo), "-o", str(tmp_path / "out.png"), "--device", "cpu"]
    main([*common, "--style", "starry_night", "--strength", "0"])
    assert np.array_equal(
        np.asarray(open_image(tmp_path / "out.png")), np.asarray(open_image(photo))
    )
    mixture = {"starry_night": 0.5, "great_wave": 1.5}
    main([*common, "--style", "starry_night:0.5,great_wave:1.5", "--stroke-size", "2"])
    expected = hrstyle.load(mixture, device="cpu").stylize(photo, stroke_size=2)
    assert np.array_equal(np.asarray(open_image(tmp_path / "out.png")), np.asarray(expected))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--style", "starry_night:1,great_wave"], "each needs a share"),
        (["--style", "starry_night:1,starry_night:2"], "named twice"),
        (["--style", "starry_night,great_wave"], "starry_night,great_wave"),
        (["--style", "x" * 300], "xxx"),
        (["--style", "starry_night:1,guernica:1"], "guernica"),
        (["--style", "starry_night", "--strength", "2"], "from 0 (the photo) to 1 (the style)"),
        (["--style", "starry_night", "--stroke-size", "0"], "2 doubles the strokes"),
    ],
)
def test_bad_strengths_and_mixtures(photo, tmp_path, capsys, options, message):
    assert run("stylize", photo, "-o", tmp_path / "out.png", *options) == 2
    assert message in capsys.readouterr().err


def test_styles(capsys):
    main(["styles"])
    lines = capsys.readouterr().out.splitlines()
    night = next(line for line in lines if line.startswith("starry_night"))
    assert night.endswith("The Starry Night, Vincent van Gogh, 1889")
    assert not any(line.startswith("base") for line in lines)


def test_help_does_not_wait_for_torch():
    code = "import sys; from hrstyle.cli import main; main(['--help'])"
    check = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules));"
    result = subprocess.run(
        [sys.executable, "-c", check + code], capture_output=True, text=True, check=True
    )
    assert result.stdout.endswith("False\n")


SHALLOW = ["--content-layers", "relu1_2", "--style-layers", "relu1_1,relu2_1"]


def test_optimize(photo, tmp_path, capsys):
    out = tmp_path / "out.png"
    run_it = ["optimize", photo, "-o", out, "--style", "starry_night", "--size", "64", *SHALLOW]
    main([str(a) for a in [*run_it, "--steps", "3", "--style-layer-weights", "1,2"]])
    assert capsys.readouterr().out.startswith(f"{out}: 64x43, 3 steps")
    expected = hrstyle.optimize(
        photo,
        "starry_night",
        size=64,
        steps=3,
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
        return open_image(content)

    monkeypatch.setattr(hrstyle.optimization, "optimize", record)
    options = (
        "--style a.jpg:2,b:1 --steps 9 --size 99 --start noise --method adam --content-weight 2"
        " --style-weight 3 --tv-weight 4 --content-layers x --style-layers y,z"
        " --style-layer-weights 5,6 --pooling avg --style-scale 2 --one-size --keep-colors --seed 8"
        " --device cpu --dtype bfloat16"
    )
    main(["optimize", str(photo), "-o", str(tmp_path / "out.png"), *options.split()])
    del given["callback"], given["progress"]
    assert given == {
        "style": {"a.jpg": 2, "b": 1}, "steps": 9, "size": 99, "start": "noise", "method": "adam",
        "content_weight": 2, "style_weight": 3, "tv_weight": 4, "content_layers": ["x"],
        "style_layers": ["y", "z"], "style_layer_weights": [5, 6], "pooling": "avg",
        "style_scale": 2, "coarse_to_fine": False, "keep_colours": True, "seed": 8,
        "device": "cpu", "dtype": "bfloat16",
    }  # fmt: skip


def test_optimize_shows_previews_and_keeps_the_best_on_ctrl_c(photo, tmp_path, monkeypatch, capsys):
    from hrstyle import images

    out, sizes = tmp_path / "out.png", []

    def save_and_interrupt(image, path, save=images.save_image):
        save(image, path)
        sizes.append(image.size)
        if len(sizes) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(images, "save_image", save_and_interrupt)
    options = ["--size", "64", "--steps", "30", "--preview-every", "2", *SHALLOW]
    assert run("optimize", photo, "-o", out, "--style", "starry_night", *options) == 130
    assert sizes == [(64, 43)] * 3
    assert "64x43, 4 steps" in capsys.readouterr().out
    assert open_image(out).size == (64, 43)


def test_optimize_complains_before_the_work(photo, tmp_path, capsys):
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
        ({}, ["--style-layers", "relu1_1, relu9_9"], "relu9_9"),
        ({}, ["--style-weight", "nan"], "style_weight=nan"),
        ({}, ["--tv-weight", "-1"], "tv_weight=-1"),
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


def test_a_preview_that_cannot_be_written_does_not_end_the_work(
    photo, tmp_path, monkeypatch, capsys
):
    from hrstyle import images

    out, calls = tmp_path / "out.png", []

    def fail_first(image, path, save=images.save_image):
        calls.append(path)
        if len(calls) == 1:
            raise hrstyle.InputError("the disk is full")
        save(image, path)

    monkeypatch.setattr(images, "save_image", fail_first)
    options = ["--size", "64", "--steps", "2", "--preview-every", "1", *SHALLOW]
    main([str(a) for a in ["optimize", photo, "-o", out, "--style", "starry_night", *options]])
    assert "the disk is full" in capsys.readouterr().err
    assert open_image(out).size == (64, 43)


def test_ctrl_c_before_there_is_anything_leaves_an_older_result_alone(photo, tmp_path, monkeypatch):
    from hrstyle.losses import PerceptualLoss

    out = tmp_path / "out.png"
    Image.new("RGB", (5, 5)).save(out)

    def interrupt(self, content):
        raise KeyboardInterrupt

    monkeypatch.setattr(PerceptualLoss, "content_features", interrupt)
    assert run("optimize", photo, "-o", out, "--style", "starry_night", "--size", "64") == 130
    assert open_image(out).size == (5, 5)


def test_a_loss_that_is_not_finite_is_one_sentence(photo, tmp_path):
    with pytest.raises(SystemExit, match="hrstyle: the loss is not finite"):
        main(["optimize", str(photo), "-o", str(tmp_path / "out.png"), "--style", "starry_night",
              "--style-weight", "1e39", "--size", "64", *SHALLOW])  # fmt: skip
    assert not list(tmp_path.iterdir())

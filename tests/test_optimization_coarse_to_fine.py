import math
import signal
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from hrstyle import optimize
from hrstyle.errors import InputError
from hrstyle.images import open_image, to_rgb, to_tensor
from hrstyle.losses import VGG19, build, gram_matrix, transport
from hrstyle.optimization.coarse_to_fine import growing_sizes
from hrstyle.styles import find, gallery, picture_names


@pytest.fixture(scope="module")
def cat():
    """A cat's eyes: `(3, 64, 64)`."""
    from hrstyle.train.data import sample_path

    image = to_rgb(open_image(sample_path("chelsea.png"))).crop((100, 50, 300, 250))
    return to_tensor(image.resize((64, 64)))[0]


def last_losses(*arguments, **settings):
    seen = []
    optimize(*arguments, callback=seen.append, device="cpu", **settings)
    return seen[-1].losses


@pytest.mark.slow
def test_content_alone_brings_the_picture_back_from_noise(cat):
    found = optimize(cat, None, loss="gram", content_layers=["relu1_1"], steps=80, device="cpu")
    assert found.shape == cat.shape
    assert -10 * math.log10((found - cat).square().mean()) > 25  # PSNR in dB; measured: 33


@pytest.mark.slow
def test_style_alone_brings_every_gram_matrix_back_from_noise():
    night = find("starry_night").picture().resize((64, 51))
    found = optimize(None, night, loss="gram", method="lbfgs", steps=150, device="cpu")
    assert found.size == night.size
    layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    vgg = VGG19(layers)
    of_found, of_night = vgg(to_tensor(found), layers), vgg(to_tensor(night), layers)
    for layer in layers:
        gram, target = gram_matrix(of_found[layer]), gram_matrix(of_night[layer])
        assert (gram - target).square().sum() / target.square().sum() < 0.1
    # It is another picture all the same: the matrices do not say where anything is.
    assert (to_tensor(found) - to_tensor(night)).abs().mean() > 0.1


@pytest.mark.slow
def test_lbfgs_comes_lower_than_adam_in_as_many_evaluations(cat):
    settings = {"style": None, "start": "noise", "steps": 40}
    settings |= {"loss": "gram", "content_layers": ["relu2_1"]}
    eye = cat[:, 16:48, 16:48]
    lbfgs, adam = (last_losses(eye, method=m, **settings)["loss"] for m in ("lbfgs", "adam"))
    assert lbfgs < 0.5 * adam


@pytest.mark.slow
def test_more_style_weight_gives_more_style_and_less_content(cat):
    found = [
        last_losses(cat, "starry_night", steps=40, style_weight=weight, loss="gram")
        for weight in (0.1, 0.3, 1, 5)
    ]
    contents, styles = [f["content"] for f in found], [f["gram"] for f in found]
    assert contents == sorted(contents)
    assert styles == sorted(styles, reverse=True)
    assert contents[-1] > 2 * contents[0]
    assert styles[0] > 2 * styles[-1]


SHALLOW = {"loss": "gram", "content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_the_default_objective_comes_down_and_is_the_same_again(cat, method, monkeypatch):
    monkeypatch.setattr(transport, "SAMPLES", 60)  # so that some places are drawn
    painting = to_tensor(find("starry_night").picture().resize((80, 64)))
    how = {"steps": 8, "method": method, "style_scale": 80 / max(cat.shape[-2:]), "device": "cpu"}
    found = optimize(cat, painting, **how)
    loss = build()
    loss.set_style(painting)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        before, after = (loss(x[None], cat[None])["loss"] for x in (cat, found))
    assert after < 0.8 * before
    torch.rand(7)  # what others draw changes nothing, and nothing changes what they draw
    state = torch.random.get_rng_state()
    assert torch.equal(optimize(cat, painting, **how), found)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_sizes_double_up_to_the_full_one():
    assert growing_sizes(512, 512) == [(128, 128), (256, 256), (512, 512)]
    assert growing_sizes(340, 500) == [(170, 250), (340, 500)]
    assert growing_sizes(100, 200) == [(100, 200)]
    assert growing_sizes(70, 1000) == [(35, 500), (70, 1000)]
    assert growing_sizes(40, 1000) == [(40, 1000)]


@pytest.mark.slow
def test_progress_tells_of_every_step_at_every_size(photo):
    seen = []
    result = optimize(photo, "starry_night", steps=5, size=270, callback=seen.append, **SHALLOW)
    assert result.size == (270, 180)
    assert [p.step for p in seen] == list(range(1, 6))
    assert {p.steps for p in seen} == {5}
    assert [p.picture.size for p in seen] == [(135, 90)] * 2 + [(270, 180)] * 3
    for before, after in pairwise(seen):
        if before.picture.size == after.picture.size:
            assert after.losses["loss"] <= before.losses["loss"]
    assert result.tobytes() == seen[-1].picture.tobytes()
    one = []
    optimize(
        photo, "starry_night", steps=1, size=270, callback=one.append, coarse_to_fine=False,
        **SHALLOW,
    )  # fmt: skip
    assert {p.picture.size for p in one} == {(270, 180)}


@pytest.mark.slow
def test_fewer_steps_than_sizes(photo):
    seen = []
    optimize(photo, "starry_night", steps=1, size=270, callback=seen.append, **SHALLOW)
    assert [p.picture.size for p in seen] == [(270, 180)]


def test_a_seed_gives_the_same_picture_again(photo):
    def run(seed):
        return optimize(
            photo, "starry_night", steps=4, size=64, start="noise", seed=seed, **SHALLOW
        ).tobytes()

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_starting_from_a_picture(photo, tmp_path):
    Image.new("RGB", (30, 40), "red").save(tmp_path / "red.png")
    settings = {"steps": 1, "size": 64, **SHALLOW}
    for start in (tmp_path / "red.png", Image.new("RGB", (9, 9), "red")):
        first = optimize(photo, "starry_night", start=start, **settings)
        assert np.asarray(first).reshape(-1, 3).tolist() == [[255, 0, 0]] * 64 * 43
    first = optimize(photo, "starry_night", **settings)  # the photo itself
    expected = open_image(photo).resize((64, 43), Image.Resampling.BICUBIC)
    assert np.abs(np.asarray(first, int) - np.asarray(expected, int)).mean() < 2


def test_a_style_of_two_paintings_lies_between_them(cat):
    night = find("starry_night").picture()
    night.thumbnail((64, 64))

    def loss_of(style):
        return last_losses(cat, style, start="content", steps=1, **SHALLOW)["gram"]

    # The picture itself is the start, so its own style costs nothing and the other's the most.
    own, half, other = loss_of([cat]), loss_of([cat, night]), loss_of([night])
    assert own < 1e-6 < half < other


def test_a_large_share_decides_the_style(photo, tmp_path):
    path = tmp_path / "mine.png"
    Image.new("RGB", (64, 64), "olive").save(path)
    mostly_mine = last_losses(
        photo, {"starry_night": 1, str(path): 99}, steps=1, size=64, **SHALLOW
    )
    only_mine = last_losses(photo, path, steps=1, size=64, **SHALLOW)
    assert mostly_mine["gram"] == pytest.approx(only_mine["gram"], rel=0.2)


@pytest.mark.slow
def test_keeping_the_photos_colours(photo):
    settings = {"steps": 6, "size": 100, "style_weight": 1e3, **SHALLOW}
    before = np.asarray(open_image(photo).resize((100, 67)).convert("YCbCr"), float)
    free, some, kept = (
        np.asarray(
            optimize(photo, "starry_night", keep_colours=keep, **settings).convert("YCbCr"), float
        )
        for keep in (False, 0.5, True)
    )

    def chroma_change(picture):
        return np.abs(picture[..., 1:] - before[..., 1:]).mean()

    assert chroma_change(kept) < 3 < chroma_change(some) < 0.8 * chroma_change(free)
    assert np.abs(kept[..., 0] - free[..., 0]).mean() < 5  # but for what leaves the range


def test_works_where_gradients_are_off(cat):
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            found = optimize(cat, "starry_night", steps=2, **SHALLOW)
        assert not torch.equal(found, cat)


def test_grey_pictures_become_rgb():
    grey = Image.effect_noise((40, 30), 60)
    assert optimize(grey, grey.rotate(90), steps=1, **SHALLOW).mode == "RGB"


def test_transparency_and_tensors(cat):
    image = Image.new("RGBA", (64, 48), (200, 30, 90, 128))
    painted = optimize(image, "starry_night", steps=1, keep_colours=True, **SHALLOW)
    assert painted.mode == "RGBA"
    assert painted.getchannel("A").getextrema() == (128, 128)
    batch = optimize(cat[None].double(), "starry_night", steps=1, size=32, **SHALLOW)
    assert batch.shape == (1, 3, 32, 32)
    assert batch.dtype == torch.float64


def test_the_photos_exif_is_kept():
    image = Image.new("RGB", (40, 30), "red")
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Someone"
    image.info["exif"] = exif.tobytes()
    found = Image.Exif()
    found.load(optimize(image, "starry_night", steps=1, **SHALLOW).info["exif"])
    assert found[ExifTags.Base.Artist] == "Someone"


def test_ctrl_c_keeps_the_best_so_far(photo):
    seen = []

    def watch(progress):
        seen.append(progress)
        if len(seen) == 2:
            signal.raise_signal(signal.SIGINT)

    assert threading.current_thread() is threading.main_thread()
    result = optimize(photo, "starry_night", steps=50, size=270, callback=watch, **SHALLOW)
    assert len(seen) == 2
    assert result.size == (270, 180)
    small = np.asarray(seen[-1].picture.resize((270, 180), Image.Resampling.BICUBIC), int)
    assert np.abs(np.asarray(result, int) - small).mean() < 2


@pytest.mark.slow
def test_a_long_scroll_as_the_style(photo):
    scroll = Image.effect_noise((40, 800), 90).convert("RGB")  # at 128 px its width would be 6
    assert optimize(photo, scroll, steps=2, size=256, device="cpu").size == (256, 170)


@pytest.mark.slow
def test_short_types_are_near(photo):
    losses = [
        last_losses(photo, "starry_night", steps=3, size=40, method="adam", dtype=dtype)["loss"]
        for dtype in ("float32", "bfloat16")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"content": None, "style": None}, "a photo, or a style, or both"),
        ({"content": None, "start": "content"}, "needs a photo"),
        ({"content": "gone.jpg"}, "gone.jpg"),
        (
            {"content": Image.new("RGB", (10, 90))},
            "the result would have 7x64 pixels.*larger size",
        ),
        ({"content": torch.rand(2, 3, 32, 32)}, "one picture at a time"),
        ({"style": "guernica"}, "no picture or style named 'guernica'"),
        ({"style": []}, "empty"),
        ({"style": {"starry_night": "much"}}, "must be numbers"),
        ({"style": torch.rand(5)}, "shape"),
        ({"seed": 10**30}, "seed="),
        ({"style_weight": float("nan")}, "style_weight=nan"),
        ({"content_weight": -1}, "content: weight=-1"),
        ({"style": {"starry_night": -1}}, "above 0"),
        ({"steps": 0}, "steps=0"),
        ({"size": 8}, "size=8"),
        ({"style_scale": 0}, "style_scale=0"),
        ({"keep_colours": -0.1}, "keep_colours=-0.1"),
        ({"method": "newton"}, "lbfgs, adam"),
        ({"dtype": "int4"}, "float32"),
        ({"dtype": "float16"}, "use bfloat16"),
        ({"style": Image.new("RGB", (90, 10))}, "a style.s picture would have 90x10 pixels"),
        ({"device": "warp"}, "try cpu"),
        ({"pooling": "median"}, "max or avg"),
        ({"loss": "gram", "style_layers": ["relu9_1"]}, "relu9_1"),
        ({"style_layers": ["relu1_1"]}, "loss=painterly has no style_layers"),
        ({"loss": "oil"}, "painterly, gram"),
        ({"start": "gone.jpg"}, "gone.jpg"),
    ],
)
def test_impossible_settings_are_input_errors(photo, change, message):
    with pytest.raises(InputError, match=message):
        optimize(**{"content": photo, "style": "starry_night", "size": 64, "steps": 1} | change)


BUNDLED = [name for name, style in gallery().items() if style.image in picture_names()]


# All of them are read without a network in test_styles_catalogue.py; what follows is the same for
# each.
@pytest.mark.parametrize("name", BUNDLED[::7])
def test_a_bundled_painting_needs_no_network(name, cat, offline):
    seen = []
    optimize(cat, name, steps=2, size=32, device="cpu", coarse_to_fine=False, callback=seen.append)
    assert seen[1].losses["loss"] < seen[0].losses["loss"]

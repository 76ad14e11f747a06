from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

import hrstyle
from hrstyle.blending import recolour
from hrstyle.brush import brushed
from hrstyle.errors import InputError
from hrstyle.images import open_image
from hrstyle.inference import Stylizer, check_options
from hrstyle.metadata import srgb_profile
from hrstyle.pipeline import WORKERS
from hrstyle.strokes import strokes_for
from hrstyle.tensors import resize, to_tensor


@pytest.fixture
def stylizer(weights_file):
    return hrstyle.load(weights_file, device="cpu", engine="torch")


@pytest.fixture
def small(photo):
    return open_image(photo).crop((100, 50, 163, 91))


def test_one_pass_over_the_whole_picture(stylizer, small):
    expected = stylizer.generator(to_tensor(small)).clamp(0, 1).mul(255).round()[0]
    result = stylizer.stylize(small, brush=False)
    assert (result.mode, result.size) == ("RGB", small.size)
    assert np.array_equal(np.asarray(result), expected.permute(1, 2, 0).numpy().astype(np.uint8))


def test_every_kind_of_input_gives_the_same_picture(stylizer, small, tmp_path):
    small.save(tmp_path / "small.png")
    expected = np.asarray(stylizer.stylize(small))
    array = np.asarray(small)
    for image in (tmp_path / "small.png", str(tmp_path / "small.png"), array, array / 255):
        assert np.array_equal(np.asarray(stylizer.stylize(image)), expected)
    tensor, unbrushed = to_tensor(small), np.asarray(stylizer.stylize(small, brush=False))
    for image in (tensor, tensor[0], tensor.double()):
        result = stylizer.stylize(image, brush=False)
        assert (result.shape, result.dtype) == (image.shape, image.dtype)
        as_array = result.reshape(tensor.shape)[0].permute(1, 2, 0).numpy() * 255
        assert np.abs(as_array - unbrushed).max() < 0.501  # the picture is the tensor, rounded


def test_a_batch_of_tensors(stylizer):
    batch = torch.rand(3, 3, 17, 20)
    result = stylizer.stylize(batch)
    # Sums in another order, which the brush may make a hundred times as much of.
    assert torch.allclose(result[1], stylizer.stylize(batch[1]), atol=1e-3)
    assert result.min() >= 0
    assert result.max() <= 1
    assert not result.requires_grad
    assert not result.is_inference()  # so that it may go into a graph of the caller's


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1", "I", "F"])
def test_every_mode(stylizer, small, mode):
    source = small.convert("L").convert(mode) if mode in ("I", "F") else small.convert(mode)
    result = stylizer.stylize(source)
    assert result.size == small.size
    assert result.mode == ("RGBA" if mode in ("RGBA", "LA") else "RGB")


def test_transparency_is_kept(stylizer, small):
    mask = Image.linear_gradient("L").resize(small.size)
    small.putalpha(mask)
    assert np.array_equal(np.asarray(stylizer.stylize(small).getchannel("A")), np.asarray(mask))
    array = np.asarray(stylizer.stylize(np.asarray(small)))
    assert np.array_equal(array[..., 3], np.asarray(mask))


def test_exif_orientation(stylizer, small, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    small.save(tmp_path / "turned.png", exif=exif)
    result = stylizer.stylize(tmp_path / "turned.png")
    assert result.size == (small.height, small.width)
    # Neither from a file nor from Pillow is it turned twice or not at all.
    with Image.open(tmp_path / "turned.png") as image:
        assert np.array_equal(np.asarray(stylizer.stylize(image)), np.asarray(result))


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (257, 3)])
def test_odd_sizes(stylizer, size):
    assert stylizer.stylize(Image.new("RGB", size, "teal")).size == size


def test_bundled_style_by_name_paints_the_night_blue(photo):
    stylizer = hrstyle.load("starry_night", device="cpu")
    assert stylizer.style == "starry_night"
    before = np.asarray(open_image(photo)).reshape(-1, 3).mean(0)
    after = np.asarray(stylizer.stylize(photo)).reshape(-1, 3).mean(0)
    assert before[0] > before[2]  # a ginger cat
    assert after[2] > after[0] + 20


def test_a_folder_of_a_styles_name_is_no_file(weights_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "starry_night").mkdir()
    assert hrstyle.load("starry_night").style == "starry_night"


def test_the_generator_can_be_ones_own(tiny, small):
    stylizer = Stylizer(tiny.train(), style="mine", device="cpu", engine="torch")
    assert not stylizer.generator.training
    assert repr(stylizer) == "Stylizer(style='mine', device='cpu', engine='torch')"
    assert stylizer.stylize(small).size == small.size


def test_bad_sources(tmp_path, weights_file):
    for source in ("guernica", "gone.safetensors", tmp_path / "gone"):
        with pytest.raises(InputError, match="guernica|gone"):
            hrstyle.load(source)
    with pytest.raises(InputError, match="try cpu"):
        hrstyle.load(weights_file, device="warp")


def large(photo, width=1200, height=901):
    return open_image(photo).resize((width, height))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "auto"])
def test_twenty_threads_share_one_stylizer(weights_file, photo, engine):
    stylizer = hrstyle.load(weights_file, device="cpu", engine=engine)
    sizes = [(640, 480), (700, 500), (60, 40), (451, 300), (33, 90)]
    pictures = [large(photo, *sizes[number % 5]) for number in range(20)]
    expected = [np.asarray(stylizer.stylize(picture)) for picture in pictures[:5]]
    with ThreadPoolExecutor(20) as pool:
        for number, result in enumerate(pool.map(stylizer.stylize, pictures)):
            assert np.array_equal(np.asarray(result), expected[number % 5])


def test_no_global_state_changes(stylizer, photo):
    torch.manual_seed(3)
    before = (torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype())
    state = torch.get_rng_state()
    stylizer.stylize(photo)
    stylizer.stylize(large(photo, 640, 480))
    after = (torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype())
    assert after == before
    assert torch.equal(torch.get_rng_state(), state)


def test_the_callers_array_stays_as_it_is(stylizer):
    array = np.random.default_rng(0).integers(0, 256, (600, 700, 3), dtype=np.uint8)
    before = array.copy()
    stylizer.stylize(array)
    assert np.array_equal(array, before)


def test_progress_bar(stylizer, photo, capsys):
    stylizer.stylize(large(photo), progress=True)
    assert "painting: " in capsys.readouterr().err
    stylizer.stylize(large(photo))
    assert capsys.readouterr().err == ""


def test_bad_settings(weights_file):
    for settings, message in [
        ({"dtype": "int8"}, "float32, bfloat16, float16"),
        ({"engine": "steam"}, "auto, torch, openvino"),
        ({"engine": "openvino", "device": "meta"}, "on the CPU"),
        ({"engine": "openvino", "dtype": "float16"}, "float32 or bfloat16"),
    ]:
        with pytest.raises(InputError, match=message):
            hrstyle.load(weights_file, **settings)


def test_strength_leads_from_the_photo_to_the_style(stylizer, small):
    photo = to_tensor(small)
    painted = stylizer.stylize(photo)
    for strength in (0, 0.25, 1):
        expected = strength * painted + (1 - strength) * photo
        result = stylizer.stylize(photo, strength=strength)
        torch.testing.assert_close(result, expected)
        picture = stylizer.stylize(small, strength=strength, brush=False)
        picture, result = (
            np.asarray(picture).astype(float),
            stylizer.stylize(photo, strength=strength, brush=False),
        )
        assert np.abs(picture - result[0].permute(1, 2, 0).numpy() * 255).max() <= 1
    assert torch.equal(photo, to_tensor(small))  # the caller's tensor stays as it is
    with_alpha = small.convert("RGBA")
    with_alpha.putalpha(7)
    assert stylizer.stylize(with_alpha, strength=0.5).getextrema()[3] == (7, 7)


def test_a_tensor_that_requires_grad(stylizer):
    photo = torch.rand(3, 20, 20, requires_grad=True)
    for strength in (0.5, 1):
        assert not stylizer.stylize(photo, strength=strength).requires_grad


def test_in_inference_mode_as_well(stylizer, small):
    picture = to_tensor(small)
    with torch.inference_mode():
        inside = stylizer.stylize(picture, stroke_size=2)
    assert torch.equal(inside, stylizer.stylize(picture, stroke_size=2))


def test_bad_strengths(stylizer, small):
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="0 .the photo. to 1 .the style."):
            stylizer.stylize(small, strength=strength)


@pytest.mark.parametrize("stroke_size", [0.25, 0.6, 1.7])
def test_stroke_size_keeps_the_size_of_the_picture(stylizer, small, stroke_size):
    result = stylizer.stylize(small, stroke_size=stroke_size)
    assert result.size == small.size
    tensor = stylizer.stylize(to_tensor(small), stroke_size=stroke_size)
    difference = to_tensor(result) - tensor
    assert difference.abs().mean() < 2 / 255  # in between, a picture is rounded to 8 bits
    assert stylizer.stylize(small, stroke_size=16).size == small.size


def test_large_strokes_are_painted_small_and_enlarged(stylizer, small):
    picture = to_tensor(small)
    coarse = stylizer.stylize(resize(picture, (20, 32)), brush=False)
    painted = stylizer.stylize(picture, stroke_size=2, brush=False)
    assert torch.equal(painted, resize(coarse, (41, 63)))
    result = np.asarray(stylizer.stylize(small, stroke_size=2))
    pixels = np.asarray(stylizer.stylize(small.resize((32, 20)), brush=False))
    assert np.array_equal(result, brushed(pixels, (41, 63)))


def test_the_brush_makes_paint_of_every_kind_of_picture(stylizer, small):
    for times in (None, 2, 0.5):
        pixels = np.asarray(stylizer.stylize(small, stroke_size=times)).astype(int)
        planes = stylizer.stylize(to_tensor(small), stroke_size=times)[0]
        assert np.abs(255 * planes.permute(1, 2, 0).numpy() - pixels).mean() < 1
        raw = np.asarray(stylizer.stylize(small, stroke_size=times, brush=False)).astype(int)
        assert np.abs(np.diff(pixels, axis=0)).mean() < np.abs(np.diff(raw, axis=0)).mean()
    for brush in (1, "yes", None):
        with pytest.raises(InputError, match="brush=.* must be true or false"):
            stylizer.stylize(small, brush=brush)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_large_strokes_of_every_kind_of_picture(stylizer, small, dtype):
    batch = torch.stack([to_tensor(small)[0], to_tensor(small)[0].flip(-1)]).to(dtype)
    before = batch.clone()
    painted = stylizer.stylize(batch, stroke_size=2, strength=0.5)
    assert torch.equal(batch, before)
    assert painted.dtype == dtype
    single = stylizer.stylize(batch[1], stroke_size=2, strength=0.5)
    assert torch.allclose(painted[1], single, atol=2e-3)
    array = np.array(small)
    result = np.asarray(stylizer.stylize(array, stroke_size=2, strength=0.5)) / 255
    assert np.array_equal(array, np.asarray(small))
    assert np.abs(result.transpose(2, 0, 1) - painted[0].double().numpy()).mean() < 2 / 255
    short = hrstyle.load("irises", device="cpu", dtype="bfloat16")
    assert short.stylize(batch, stroke_size=2).dtype == dtype


def test_a_large_picture_has_large_strokes_unless_told_otherwise(stylizer):
    large = to_tensor(Image.effect_noise((2000, 1200), 90).convert("RGB"))
    as_asked = stylizer.stylize(large, stroke_size=strokes_for(2000 * 1200))
    assert torch.equal(stylizer.stylize(large), as_asked)
    assert not torch.equal(stylizer.stylize(large, stroke_size=1), as_asked)
    # What counts is the size of the result.
    reduced = stylizer.stylize(large, size=300)
    assert torch.equal(reduced, stylizer.stylize(large, size=300, stroke_size=1))


def test_small_strokes_are_painted_large(stylizer, small):
    picture = to_tensor(small)
    expected = resize(stylizer.stylize(resize(picture, (82, 126)), stroke_size=1), (41, 63))
    assert torch.equal(stylizer.stylize(picture, stroke_size=0.5), expected)


def test_bad_stroke_sizes(stylizer, small):
    for stroke_size in (0, -1, 17, float("inf"), float("nan")):
        with pytest.raises(InputError, match="stroke_size=.*2 doubles the strokes"):
            stylizer.stylize(small, stroke_size=stroke_size)


def test_size_is_the_longer_side(stylizer, small):
    for size, expected in [(30, (30, 20)), (63, (63, 41)), (100, (100, 65)), (1, (1, 1))]:
        assert stylizer.stylize(small, size=size).size == expected
    tensor = to_tensor(small)
    result = stylizer.stylize(tensor[0], size=30)
    assert torch.equal(result, stylizer.stylize(resize(tensor, (20, 30)))[0])
    with_alpha = small.convert("RGBA")
    with_alpha.putalpha(7)
    result = stylizer.stylize(with_alpha, size=np.int64(30))
    assert (result.size, result.getextrema()[3]) == ((30, 20), (7, 7))


def test_keep_colours_is_that_of_optimize(stylizer, small):
    photo = to_tensor(small)
    expected = recolour(stylizer.stylize(photo), photo)
    torch.testing.assert_close(stylizer.stylize(photo, keep_colours=True), expected)
    some = stylizer.stylize(photo, keep_colours=0.3)
    torch.testing.assert_close(some, 0.7 * stylizer.stylize(photo) + 0.3 * expected)
    picture = to_tensor(stylizer.stylize(small, keep_colours=True, brush=False))
    expected = stylizer.stylize(photo, keep_colours=True, brush=False)
    assert (picture - expected).abs().max() < 1.5 / 255


def test_a_mask_says_where_to_paint(stylizer, small, tmp_path):
    mask = np.zeros((small.height, small.width), np.uint8)
    mask[:, 40:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    painted, photo = np.asarray(stylizer.stylize(small)), np.asarray(small)
    result = np.asarray(stylizer.stylize(small, mask=tmp_path / "mask.png"))
    assert np.array_equal(result[:, :35], photo[:, :35])
    assert np.array_equal(result[:, 45:], painted[:, 45:])
    half = np.asarray(stylizer.stylize(small, mask=mask, strength=0.5))
    assert np.array_equal(half[:, 45:], np.asarray(stylizer.stylize(small, strength=0.5))[:, 45:])
    batch = to_tensor(small).repeat(2, 1, 1, 1)
    assert torch.equal(stylizer.stylize(batch, mask=mask)[1, :, :, :35], batch[1, :, :, :35])


def test_exif_and_the_profile_come_along(stylizer, small, tmp_path):
    exif = Image.Exif()
    exif[0x013B] = "Someone"
    small.save(tmp_path / "photo.jpg", exif=exif)
    result = stylizer.stylize(tmp_path / "photo.jpg")
    assert result.getexif()[0x013B] == "Someone"
    assert result.info["icc_profile"]


def test_bad_settings_of_a_picture(stylizer, small, tmp_path):
    for settings, message in [
        *(({"size": size}, "whole pixels") for size in (0, -1, 1e3, float("nan"), "big", 10**9)),
        ({"strength": "much"}, "from 0"),
        ({"stroke_size": "much"}, "doubles"),
        ({"keep_colours": "no"}, "keep_colours='no' .--colours. must be from 0"),
        ({"keep_colours": 1.5}, "keep_colours=1.5"),
        ({"keep_colours": float("nan")}, "keep_colours=nan"),
        ({"mask": tmp_path / "gone.png"}, "gone.png"),
    ]:
        with pytest.raises(InputError, match=message):
            stylizer.stylize(small, **settings)
        with pytest.raises(InputError, match=message):
            check_options(**settings)
    check_options(size=np.int64(7), strength=np.float32(1), keep_colours=np.True_, mask=small)


def test_many_pictures_in_order(stylizer, small, tmp_path):
    small.save(tmp_path / "photo.jpg", dpi=(200, 200))
    clear = small.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(small.size))
    small.convert("CMYK").save(tmp_path / "cmyk.tif")
    wide = small.copy()
    wide.info["icc_profile"] = srgb_profile()
    pictures = [
        *(tmp_path / "photo.jpg", tmp_path / "cmyk.tif", small, clear, small.convert("P"), wide),
        *(np.asarray(small), to_tensor(small), small.convert("I;16")),
    ]
    options = {"size": 40, "strength": 0.5, "mask": small.convert("L"), "keep_colours": True}
    for picture, result in zip(pictures, stylizer.stylize_many(pictures, **options), strict=True):
        expected = stylizer.stylize(picture, **options)
        if isinstance(picture, torch.Tensor):
            assert torch.equal(result, expected)
        else:
            assert result == expected  # of Pillow: mode, size, pixels
            assert result.info == expected.info


def test_one_of_many_fails(stylizer, small, tmp_path):
    pictures = [small, tmp_path / "gone.jpg", small]
    results = stylizer.stylize_many(pictures)
    assert next(results).size == small.size
    with pytest.raises(InputError, match="gone"):
        next(results)
    first, error, last = stylizer.stylize_many(pictures, return_exceptions=True)
    assert isinstance(error, InputError)
    assert first == last == stylizer.stylize(small)
    with pytest.raises(InputError, match="size"):
        stylizer.stylize_many(pictures, size=-1)  # before the first is asked for
    with pytest.raises(TypeError, match="sise"):
        stylizer.stylize_many(pictures, sise=1)


def test_many_pictures_are_taken_as_they_are_needed(stylizer, small):
    taken = []

    def pictures():
        while True:
            taken.append(1)
            yield small

    results = stylizer.stylize_many(pictures())
    for number in range(1, 20):
        next(results)
        assert number < len(taken) <= number + WORKERS

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

import hrstyle
from hrstyle.errors import InputError
from hrstyle.images import open_image, srgb_profile, to_tensor
from hrstyle.inference import Stylizer
from hrstyle.pipeline import WORKERS


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
def test_pictures_of_every_mode_are_painted_as_rgb_or_rgba(stylizer, small, mode):
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


def test_a_turned_photo_is_painted_upright(stylizer, small, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    small.save(tmp_path / "turned.png", exif=exif)
    result = stylizer.stylize(tmp_path / "turned.png")
    assert result.size == (small.height, small.width)
    # Neither from a file nor from Pillow is it turned twice or not at all.
    with Image.open(tmp_path / "turned.png") as image:
        assert np.array_equal(np.asarray(stylizer.stylize(image)), np.asarray(result))


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (257, 3)])
def test_pictures_of_a_pixel_or_a_line_are_painted(stylizer, size):
    assert stylizer.stylize(Image.new("RGB", size, "teal")).size == size


@pytest.mark.slow
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


def test_unknown_styles_and_devices_are_refused(tmp_path, weights_file):
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


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"engine": "torch"}, {}, {"dtype": "bfloat16"}])
def test_copies_paint_the_same(weights_file, small, settings):
    stylizer = hrstyle.load(weights_file, device="cpu", **settings)
    expected = stylizer.stylize(small)
    pickled = pickle.loads(pickle.dumps(stylizer))
    for copied in (pickled, copy.copy(stylizer), copy.deepcopy(stylizer)):
        assert repr(copied) == repr(stylizer)
        assert copied.dtype == stylizer.dtype
        assert copied.stylize(small) == expected
    assert pickled.generator is pickled.painter.generator
    assert pickled.generator is not stylizer.generator


@pytest.mark.slow
def test_processes_share_one_stylizer(weights_file, small, tmp_path):
    stylizer = hrstyle.load(weights_file, device="cpu")
    names = [tmp_path / "a.png", tmp_path / "b.png"]
    for name in names:
        small.save(name)
    expected = stylizer.stylize(names[0])
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for result in pool.map(stylizer.stylize, names):
            assert result == expected


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


@pytest.mark.slow
def test_a_progress_bar_is_shown_only_when_asked(stylizer, photo, capsys):
    stylizer.stylize(large(photo), progress=True)
    assert "painting: " in capsys.readouterr().err
    stylizer.stylize(large(photo))
    assert capsys.readouterr().err == ""


def test_impossible_settings_are_refused(weights_file):
    for settings, message in [
        ({"dtype": "int8"}, "float32, bfloat16, float16"),
        ({"engine": "steam"}, "auto, torch, openvino"),
        ({"engine": "openvino", "dtype": "float16"}, "float32 or bfloat16"),
    ]:
        with pytest.raises(InputError, match=message):
            hrstyle.load(weights_file, **settings)


def test_a_tensor_that_requires_grad(stylizer):
    photo = torch.rand(3, 20, 20, requires_grad=True)
    for strength in (0.5, 1):
        assert not stylizer.stylize(photo, strength=strength).requires_grad


def test_in_inference_mode_as_well(stylizer, small):
    picture = to_tensor(small)
    with torch.inference_mode():
        inside = stylizer.stylize(picture, stroke_size=2)
    assert torch.equal(inside, stylizer.stylize(picture, stroke_size=2))


def test_exif_and_the_profile_come_along(stylizer, small, tmp_path):
    exif = Image.Exif()
    exif[0x013B] = "Someone"
    small.save(tmp_path / "photo.jpg", exif=exif)
    result = stylizer.stylize(tmp_path / "photo.jpg")
    assert result.getexif()[0x013B] == "Someone"
    assert result.info["icc_profile"]


def test_many_pictures_come_out_in_their_order_as_each_alone(stylizer, small, tmp_path):
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


def test_a_picture_that_fails_stops_the_rest_unless_errors_are_returned(
    stylizer, small, tmp_path, monkeypatch
):
    pictures = [small, tmp_path / "gone.jpg", small]
    with pytest.raises(InputError, match="a list is not one picture; give several to stylize_many"):
        stylizer.stylize(pictures)
    results = stylizer.stylize_many(pictures)
    assert next(results).size == small.size
    with pytest.raises(InputError, match="gone"):
        next(results)
    first, error, last = stylizer.stylize_many(pictures, return_exceptions=True)
    assert isinstance(error, InputError)
    assert first == last == stylizer.stylize(small)
    small_one = small.crop((0, 0, 9, 9))
    paint = stylizer.painter.paint_strokes

    def fail(picture, *, size, **how):
        if size == (9, 9):
            raise RuntimeError("no memory")
        return paint(picture, size=size, **how)

    with monkeypatch.context() as patch:
        patch.setattr(stylizer.painter, "paint_strokes", fail)
        error, last = stylizer.stylize_many([small_one, small], return_exceptions=True)
        assert (str(error), last) == ("no memory", first)
        with pytest.raises(RuntimeError, match="no memory"):
            next(stylizer.stylize_many([small_one]))
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


def test_stylize_takes_one_picture_and_stylize_many_several(stylizer, small, tmp_path, monkeypatch):
    small.save(tmp_path / "a.png")
    path = str(tmp_path / "a.png")
    with pytest.raises(InputError, match="a list is not one picture; give several to stylize_many"):
        stylizer.stylize([path])
    tensor = to_tensor(small)
    with (tmp_path / "a.png").open("rb") as file:
        for single in (path, tmp_path / "a.png", small, np.asarray(small), file, tensor[0], 5):
            with pytest.raises(InputError, match="stylize_many takes several pictures, not a sing"):
                stylizer.stylize_many(single)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    expected = stylizer.stylize(path).tobytes()
    assert stylizer.stylize("~/a.png").tobytes() == expected
    [result] = stylizer.stylize_many(["~/a.png"])
    assert result.tobytes() == expected
    assert [result.shape for result in stylizer.stylize_many(tensor)] == [tensor.shape[1:]]


def test_a_tensor_may_overshoot_by_a_rounding_error(stylizer, small):
    tensor = to_tensor(small)
    beyond = torch.where(tensor == tensor.max(), tensor.max() + 1e-6, tensor) / tensor.max()
    assert beyond.max() > 1
    expected = stylizer.stylize(beyond.clamp(0, 1))
    assert torch.equal(stylizer.stylize(beyond), expected)

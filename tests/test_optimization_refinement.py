import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import hrstyle
from hrstyle import Refiner
from hrstyle.errors import InputError
from hrstyle.images import Animation, open_image, to_tensor
from hrstyle.losses import build
from hrstyle.optimization.refinement import SIZE, _thumbnail_size
from hrstyle.styles import Style, gallery


@pytest.fixture(scope="module")
def stylizer():
    return hrstyle.load("irises", device="cpu", engine="torch")


IRISES = replace(gallery()["irises"], size=128)  # at its full size VGG would take most of the time


@pytest.fixture(scope="module")
def refiner(stylizer):
    return Refiner(stylizer, painting=IRISES, steps=6)


@pytest.fixture
def small(photo):
    return open_image(photo).resize((96, 64))


@pytest.mark.slow
def test_it_comes_nearer_to_the_painting_and_stays_the_photo(stylizer, refiner, small):
    loss = build(style_weight=IRISES.style_weight)
    loss.set_style(IRISES.load())
    photo = to_tensor(small)
    with torch.no_grad():
        before, after = (
            loss(painter.stylize(photo), photo)["loss"] for painter in (stylizer, refiner)
        )
    assert after < 0.9 * before


@pytest.mark.slow
def test_results_have_the_paintings_colours(refiner, small):
    result = refiner.stylize(to_tensor(small))
    painting = IRISES.load()
    for ours, theirs in (
        (result.mean((2, 3)), painting.mean((2, 3))),
        (result.std(), painting.std()),
    ):
        assert torch.allclose(ours, theirs, atol=0.03)


@pytest.mark.slow
def test_what_is_fitted_paints_any_size_and_the_style_is_as_it_was(stylizer, refiner, small):
    weights = copy.deepcopy(stylizer.generator.state_dict())
    fitted = refiner.fit(small)
    assert fitted.style == "irises"
    assert fitted.stylize(small.resize((301, 200))).size == (301, 200)
    assert not any(p.requires_grad for p in fitted.generator.parameters())
    for name, value in stylizer.generator.state_dict().items():
        assert torch.equal(value, weights[name])


@pytest.mark.slow
def test_options_and_kinds_of_pictures_are_a_stylizers(refiner, small):
    small.putalpha(Image.new("L", small.size, 99))
    result = refiner.stylize(small, size=60)
    assert (result.mode, result.size) == ("RGBA", (60, 40))
    batch = torch.rand(2, 3, 40, 50, dtype=torch.float64)
    assert refiner.stylize(batch, strength=0.5).shape == batch.shape
    state = torch.get_rng_state()
    again = refiner.stylize(np.asarray(small), size=60)
    assert np.array_equal(np.asarray(again), np.asarray(result))  # the same each time
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.slow
def test_in_inference_mode_as_well(stylizer, small):
    with torch.inference_mode():
        refiner = Refiner(stylizer, painting=IRISES, steps=np.int64(2))
        assert refiner.stylize(small.convert("L"), max_memory="1GB").size == small.size


@pytest.mark.slow
def test_a_short_type_is_fitted_in_float32(small):
    short = hrstyle.load("irises", device="cpu", dtype="bfloat16")
    refiner = Refiner(short, painting=IRISES, steps=1)
    fitted = refiner.fit(small)
    assert fitted.dtype == refiner.dtype == torch.bfloat16
    assert fitted.stylize(small).size == small.size


@pytest.mark.slow
def test_weights_that_went_to_infinity_are_not_painted_with(refiner, small, monkeypatch):
    monkeypatch.setattr("hrstyle.optimization.refinement._LEARNING_RATE", 1e30)
    with pytest.raises(InputError, match="irises cannot be fitted to this photo in 6 steps"):
        refiner.stylize(small)
    [error] = refiner.stylize_many([small], return_exceptions=True)
    assert isinstance(error, InputError)


@pytest.mark.slow
def test_a_picture_that_cannot_be_read_does_not_stop_the_others(refiner, small, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    results = refiner.stylize_many([small, tmp_path / "bad.jpg", small], return_exceptions=True)
    first, error, last = results
    assert isinstance(error, InputError)
    assert np.array_equal(np.asarray(first), np.asarray(last))
    with pytest.raises(InputError, match="bad"):
        list(refiner.stylize_many([tmp_path / "bad.jpg"]))
    with pytest.raises(InputError, match="strength"):
        refiner.stylize_many([small], strength=2)


@pytest.mark.slow
def test_an_animation_is_fitted_to_once(refiner, small, tmp_path):
    path = tmp_path / "moving.gif"
    small.save(path, save_all=True, append_images=[small.rotate(90)], duration=100)
    frames = list(refiner.stylize_many(Animation(path)))
    first = next(iter(Animation(path)))
    fitted = refiner.fit(first)
    expected = [fitted.stylize(frame) for frame in Animation(path)]
    for frame, other in zip(frames, expected, strict=True):
        assert np.array_equal(np.asarray(frame), np.asarray(other))


@pytest.mark.slow
def test_a_painting_of_ones_own(weights_file, small, photo):
    own = hrstyle.load(weights_file, device="cpu", engine="torch")
    with pytest.raises(InputError, match="no painting is known for the style tiny; .*--painting"):
        Refiner(own)
    style = Style(image=str(photo), name="own", size=64)
    for painting in (photo, style):
        assert Refiner(own, painting=painting, steps=1).stylize(small).size == small.size
    with pytest.raises(InputError, match="no picture or style named 'gone.jpg'"):
        Refiner(own, painting="gone.jpg")


@pytest.mark.parametrize("steps", [0, 1001, 2.5, "many"])
def test_impossible_steps_are_input_errors(stylizer, steps):
    with pytest.raises(InputError, match="steps=.*must be a whole number from 1 to 1000"):
        Refiner(stylizer, steps=steps)


@pytest.mark.parametrize(
    ("size", "thumbnail"),
    [((4000, 3000), (SIZE, 384)), ((300, 200), (300, 200)), ((20000, 2), (SIZE, 32)),
     ((1, 65535), (32, SIZE)), ((1, 1), (32, 32))],
)  # fmt: skip
def test_a_photo_is_fitted_to_in_a_thumbnail_that_vgg_can_take(size, thumbnail):
    assert _thumbnail_size(*size) == thumbnail

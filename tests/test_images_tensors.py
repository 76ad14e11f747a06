import numpy as np
import pytest
import torch
from PIL import Image

from hrstyle.errors import InputError
from hrstyle.images import check_tensor, open_image, resize, to_array, to_pil, to_tensor


def test_tensor_and_back(photo):
    image = open_image(photo)
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, image.height, image.width)
    assert tensor.dtype == torch.float32
    assert np.array_equal(np.asarray(to_pil(tensor)), np.asarray(image))
    assert to_pil(torch.full((3, 1, 1), 1.7)).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(4, 4), "shape"),
        (torch.zeros(1, 4, 4, 4), "shape"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "float values"),
        (torch.full((3, 4, 4), -0.1), "clamp"),
    ],
)
def test_tensors_that_are_no_pictures_are_refused(tensor, message):
    with pytest.raises(InputError, match=message):
        check_tensor(tensor)


def test_tensors_that_overshoot_by_a_rounding_error_are_clamped():
    tensor = torch.tensor([-1e-6, 0.25, 1 + 1e-6]).view(3, 1, 1)
    assert check_tensor(tensor).flatten().tolist() == [0, 0.25, 1]
    assert tensor.max() > 1  # the caller's stays as it is
    right = tensor.clamp(0, 1)
    assert check_tensor(right) is right
    for beyond in (1.01, 255.0, float("nan")):
        with pytest.raises(InputError, match="clamp"):
            check_tensor(torch.full((3, 1, 1), beyond))


@pytest.mark.parametrize("size", [(100, 150), (400, 500), (1, 1)])
def test_resize_is_pillows(photo, size):
    image = open_image(photo)
    expected = np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC)).astype(int)
    pixels = resize(torch.from_numpy(to_array(image)), size)
    assert pixels.shape == (*size, 3)
    assert pixels.dtype == torch.uint8
    assert np.abs(pixels.numpy() - expected).max() <= 2
    picture = resize(to_tensor(image), size)
    assert picture.shape == (1, 3, *size)
    assert 0 <= picture.min() <= picture.max() <= 1
    difference = picture[0].permute(1, 2, 0).numpy() * 255 - expected
    assert np.abs(difference).mean() < 0.5  # Pillow rounds and clips between the two directions
    assert resize(to_tensor(image).half(), size).dtype == torch.float16

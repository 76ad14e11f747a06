import numpy as np
import pytest
import torch
from PIL import Image

from hrstyle.errors import InputError
from hrstyle.images import to_bytes, to_pil
from hrstyle.painting import SoftMask, blend, mask_image, recolour


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 2, 3, 150, 20, generator=generator).round(decimals=2)


def test_blend_is_a_weighted_sum(pair):
    painted, photo = pair
    mask = torch.linspace(0, 1, 150 * 20).view(150, 20)
    expected = 0.5 * mask * painted + (1 - 0.5 * mask) * photo
    torch.testing.assert_close(blend(painted.clone(), photo, strength=0.5, mask=mask), expected)
    expected = 0.5 * recolour(painted, photo) + 0.5 * photo
    result = blend(painted.clone(), photo, strength=0.5, keep_colours=True)
    torch.testing.assert_close(result, expected)


def test_bytes_are_blended_as_floats_are(pair):
    painted, photo = (to_bytes(picture[0]) for picture in pair)
    mask = torch.linspace(0, 1, 150).view(150, 1).expand(150, 20)
    grey = (mask * 255).round().to(torch.uint8)
    for settings in ({"strength": 0.3}, {"mask": mask}, {"mask": grey}, {"keep_colours": 0.7}):
        floats = [p.permute(2, 0, 1)[None] / 255 for p in (painted, photo)]
        expected = to_bytes(blend(*floats, **settings))
        result = blend(painted.clone(), photo, **settings)
        assert result.dtype == torch.uint8
        assert (result.int() - expected.int()).abs().max() <= 1


def test_the_ends_are_exact(pair):
    painted, photo = (to_bytes(picture[0]) for picture in pair)
    assert torch.equal(blend(painted.clone(), photo, strength=0), photo)
    black = torch.zeros(150, 20)
    assert torch.equal(blend(painted.clone(), photo, mask=black), photo)
    assert torch.equal(blend(painted.clone(), photo, mask=black + 1), painted)


def test_a_mask_has_soft_edges_and_nothing_else():
    halves = np.zeros((100, 400), bool)
    halves[:, 200:] = True
    mask = SoftMask(halves).at((100, 400))
    assert (mask.shape, mask.dtype) == ((100, 400), torch.uint8)
    assert mask[:, :188].max() == 0
    assert mask[:, 212:].min() == 255
    assert 80 < mask[50, 199] < 128 < mask[50, 200] < 180
    assert (mask[50].int().diff() >= 0).all()


def test_a_mask_is_softened_once_for_the_frames_of_a_clip():
    mask = SoftMask(Image.linear_gradient("L"))
    first = mask.at((30, 40))
    assert mask.at((30, 40)) is first
    assert mask.at((40, 30)).shape == (40, 30)
    assert torch.equal(mask.at((30, 40)), first)


def test_every_kind_of_mask_is_the_same(tmp_path):
    grey = np.tile(np.arange(0, 250, 5, dtype=np.uint8), (30, 1))
    image = Image.fromarray(grey)
    image.save(tmp_path / "mask.png")
    layer = Image.new("LA", image.size, 255)  # as a drawing program saves a painted layer
    layer.putalpha(image)
    expected = SoftMask(image).at((60, 100)).int()
    floats = torch.from_numpy(grey / 255)
    for mask in (tmp_path / "mask.png", str(tmp_path / "mask.png"), grey, grey / 255, floats,
                 floats[None], layer, image.convert("RGB")):  # fmt: skip
        assert (SoftMask(mask).at((60, 100)).int() - expected).abs().max() <= 1
    assert mask_image(torch.ones(3, 4, dtype=torch.bool)).getextrema() == (255, 255)


def test_what_is_no_mask_is_refused(tmp_path):
    for mask, message in [
        (tmp_path / "gone.png", "gone.png"),
        (np.zeros((2, 2, 2)), "channels"),
        (torch.zeros(2, 2, 2, 2), "channels"),
        (torch.full((2, 2), float("nan")), "nan"),
        (np.full((2, 2), -1), "int64"),
    ]:
        with pytest.raises(InputError, match=message):
            mask_image(mask)


def test_recolour_takes_brightness_from_one_and_colours_from_the_other():
    generator = torch.Generator().manual_seed(0)
    photo = 0.4 + 0.2 * torch.rand(1, 3, 5, 6, generator=generator)
    painted = 0.4 + 0.2 * torch.rand(1, 3, 5, 6, generator=generator)
    mixed = recolour(painted, photo)
    # Pillow's YCbCr is that of JPEG, with the same luma.
    y, cb, cr = np.asarray(to_pil(mixed).convert("YCbCr"), int).transpose(2, 0, 1)
    assert np.abs(y - np.asarray(to_pil(painted).convert("YCbCr"), int)[..., 0]).max() <= 2
    assert np.abs(cb - np.asarray(to_pil(photo).convert("YCbCr"), int)[..., 1]).max() <= 2
    assert np.abs(cr - np.asarray(to_pil(photo).convert("YCbCr"), int)[..., 2]).max() <= 2
    assert recolour(torch.ones_like(photo), photo).max() == 1

import time

import numpy as np
import pytest
import torch
from PIL import Image

from hrstyle.painting import bands, brushed
from hrstyle.painting.bands import apply, empty_planes, in_bands, moments


def test_bands_cannot_be_seen(monkeypatch):
    random = np.random.default_rng(2)
    blobs = Image.fromarray(random.integers(60, 200, (10, 8, 3), dtype=np.uint8))
    pixels = np.asarray(blobs.resize((70, 90), Image.Resampling.BICUBIC))
    for size in ((90, 70), (171, 133), (400, 300)):
        as_large = brushed(pixels, size).astype(int)
        with monkeypatch.context() as patch:
            patch.setattr(bands, "_BAND", 500)
            # Of sums in another order.
            assert np.abs(brushed(pixels, size) - as_large).max() <= 1


@pytest.mark.parametrize("size", [(90, 70), (90, 133), (171, 133), (800, 700)])
def test_enlarged_as_pillow_and_pytorch_do(monkeypatch, size):
    monkeypatch.setattr(bands, "_BAND", 2000)
    picture = np.random.default_rng(3).random((3, 90, 70), np.float32) * 0.6 + 0.2
    array = np.empty((3, *size), np.float32)
    apply(lambda planes: planes[..., 2:-2, 2:-2], picture, array, margin=2)
    for plane, found in zip(picture, array, strict=True):
        whole = np.asarray(Image.fromarray(plane).resize(size[::-1], Image.Resampling.BICUBIC))
        # At the border it repeats the last ones, where they take less of them.
        np.testing.assert_allclose(found[20:-20, 20:-20], whole[20:-20, 20:-20], atol=1e-5)
    tensor = torch.empty(1, 3, *size)
    apply(lambda planes: planes, torch.from_numpy(picture)[None], tensor)
    np.testing.assert_allclose(tensor[0], array, atol=1e-5)


def test_what_is_in_between_is_as_good_as_floats():
    picture = np.random.default_rng(4).random((3, 50, 40), np.float32)
    kept = empty_planes(picture, (50, 40))
    apply(lambda planes: planes, picture, kept)
    assert kept.nbytes == picture.nbytes / 2
    found = np.empty_like(picture)
    apply(lambda planes: planes, kept, found)
    np.testing.assert_allclose(found, picture, atol=0.51 / 65535)


def test_moments_are_numpys(monkeypatch):
    monkeypatch.setattr(bands, "_BAND", 300)
    picture = np.random.default_rng(5).random((2, 3, 50, 40)).astype(np.float32)
    for stored in (picture, torch.from_numpy(picture)):
        mean, std = moments(stored)
        np.testing.assert_allclose(mean, picture.mean((-2, -1), keepdims=True), rtol=1e-5)
        np.testing.assert_allclose(std, picture.std((-2, -1), keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
def test_bands_hold_every_row_once_and_repeat_the_border(monkeypatch, threads):
    monkeypatch.setattr(bands, "_BAND", 1)
    picture = torch.arange(65.0).view(1, 13, 5)
    seen = []
    in_bands(
        lambda band: band,
        lambda rows, columns: picture[:, rows][..., columns],
        lambda top, band: seen.append((top, band)),
        size=(13, 5),
        margin=2,
        threads=threads,
    )
    whole = torch.nn.functional.pad(picture[None], (2,) * 4, mode="replicate")[0]
    assert [top for top, _ in sorted(seen, key=lambda item: item[0])] == [0, 4, 8, 12]
    for top, band in seen:
        assert torch.equal(band, whole[:, top : top + band.shape[1]])
        assert band.shape[1] == min(4, 13 - top) + 4


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_a_band_is_the_end(threads):
    done = []

    def fail(band):
        done.append(band)
        time.sleep(0.05)  # as work would: the thread that waits for it has its turn
        raise MemoryError("too large")

    pixels = np.zeros((3000, 100, 3), np.uint8)
    how = {"size": (3000, 100), "margin": 2, "threads": threads, "pixels": 5000}
    with pytest.raises(MemoryError, match="too large"):
        in_bands(fail, lambda rows, columns: pixels[rows][:, columns], print, **how)
    assert len(done) < 60

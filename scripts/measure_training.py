"""Measure the time of a training step, on the best device.

    python scripts/measure_training.py
    python scripts/measure_training.py --give-back    without keep_freed_memory

Prints Markdown. Times are medians; the precisions and sizes take turns, so that a slow spell of the
machine hits all of them.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Hashable

import torch
from machine import machine

from hrstyle.engine import best_device
from hrstyle.generator import Generator, pyramid
from hrstyle.losses import PerceptualLoss
from hrstyle.paper import paper
from hrstyle.styles import Style
from hrstyle.train.memory import keep_freed_memory

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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default=str(best_device()))
    parser.add_argument("--rounds", type=int, default=7, help="timings of which to take the median")
    parser.add_argument(
        "--give-back", action="store_true", help="do not keep freed memory, which training does"
    )
    arguments = parser.parse_args()
    if not arguments.give_back:
        keep_freed_memory()
    device = torch.device(arguments.device)
    print(f"Machine: {machine(device)}\n")
    measure_steps(device, arguments.rounds)


if __name__ == "__main__":
    main()

"""Measure the time of a training step on the best device.

    python scripts/measure_training.py
    python scripts/measure_training.py --precisions float32    if bfloat16 is only emulated
    python scripts/measure_training.py --give-back             without keep_freed_memory

Prints Markdown. Times are medians. The measurements are interleaved, so that a slow phase of the
machine affects all of them.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Hashable, Sequence
from functools import partial

import torch
from machine import machine
from torch import nn

from hrstyle.engine import best_device
from hrstyle.generator import Generator, paper, pyramid
from hrstyle.losses import PerceptualLoss, build
from hrstyle.losses.winograd import FrozenConv2d
from hrstyle.styles import Style
from hrstyle.train.memory import keep_freed_memory

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


def medians(tasks: dict[Hashable, Callable[[], object]], device: torch.device, rounds: int) -> dict:
    """Median seconds of each task, run in turns, without the first round, which warms up."""
    times: dict = {name: [] for name in tasks}
    for _ in range(rounds + 1):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def by_definition(loss: PerceptualLoss) -> PerceptualLoss:
    """A copy of the loss with torch's own convolutions."""
    loss = copy.deepcopy(loss)
    for module in loss.modules():
        if isinstance(module, FrozenConv2d):
            module.__class__ = nn.Conv2d
    return loss


def measure_steps(device: torch.device, rounds: int, precisions: Sequence[str]) -> None:
    """Print the seconds of a training step at the default sizes, by precision."""
    loss, gram = build().to(device), build("gram").to(device)
    for objective in (loss, gram):
        objective.set_style(Style(image="starry_night", name="starry_night").load())
    crop = torch.rand(1, 3, 256, 256, device=device)

    def step(generator: Generator, loss: PerceptualLoss, dtype: torch.dtype | None) -> None:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            value = loss(generator(crop), crop)["loss"]
        value.backward()
        optimizers[generator].step()
        optimizers[generator].zero_grad()

    rows = {
        "pyramid": (pyramid().to(device), loss),
        "pyramid, loss=gram": (pyramid().to(device), gram),
        "paper": (paper().to(device), loss),
        "pyramid, VGG19 by torch's convolutions": (pyramid().to(device), by_definition(loss)),
    }
    optimizers = {g: torch.optim.Adam(g.parameters()) for g, _ in rows.values()}
    tasks: dict[Hashable, Callable[[], object]] = {
        (name, precision): partial(step, *row, PRECISIONS[precision])
        for name, row in rows.items()
        for precision in precisions
    }
    times = medians(tasks, device, rounds)
    print(f"| one training step, 256 px, batch 1, seconds | {' | '.join(precisions)} |")
    print(f"|{'-|' * (1 + len(precisions))}")
    for name in rows:
        cells = (f"{times[name, precision]:.2f}" for precision in precisions)
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default=str(best_device()))
    parser.add_argument("--rounds", type=int, default=7, help="number of measurements")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument(
        "--give-back",
        action="store_true",
        help="return freed memory to the system, unlike in training",
    )
    arguments = parser.parse_args()
    if not arguments.give_back:
        keep_freed_memory()
    device = torch.device(arguments.device)
    print(f"Machine: {machine(device)}\n")
    measure_steps(device, arguments.rounds, arguments.precisions)


if __name__ == "__main__":
    main()

"""Measure how much a second, busy process slows down repainting.

    python scripts/busy_machine.py

Prints the median seconds of a pass alone, beside a busy process, and beside a busy process of
higher priority (nice -10, only as root), and the ratios to the time alone. Each row runs in a
process of its own.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import torch
from machine import machine

TIMEOUT = 120
"""Seconds after which a measurement is stopped."""
CASES = {
    "512x512 px": (512, 512, {}),
    "12 megapixels": (3000, 4000, {}),
    "12 megapixels, streamed in 1 GB": (3000, 4000, {"max_memory": "1GB"}),
    "24 megapixels": (4000, 6000, {}),
}
ORDERS = {"hrstyle imported first": "import hrstyle, torch", "torch first": "import torch, hrstyle"}
PASSES = """
{imports}
import time
style = hrstyle.load("starry_night", device="cpu")
picture = torch.zeros(1, 3, {height}, {width})
style.stylize(picture[..., :64, :64])
for _ in range({passes}):
    start = time.perf_counter()
    style.stylize(picture, **{options})
    print(time.perf_counter() - start, flush=True)
"""


def seconds(imports: str, height: int, width: int, options: dict[str, str], passes: int) -> float:
    """Median seconds of the passes, or infinity after the timeout."""
    code = PASSES.format(
        imports=imports, height=height, width=width, options=options, passes=passes
    )
    command = [sys.executable, "-c", code]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return float("inf")
    return statistics.median(map(float, result.stdout.split()))


def main() -> None:
    """Print a row for each case and order of imports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    arguments = parser.parse_args()
    busy = [sys.executable, "-c", "while True: pass"]
    neighbours = {"alone": None, "beside a busy process": busy}
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        neighbours["beside one of higher priority"] = ["nice", "-n", "-10", *busy]
    print(f"Machine: {machine(torch.device('cpu'))}\n")
    print(f"| seconds | {' | '.join(neighbours)} |\n|-|{'-|' * len(neighbours)}", flush=True)
    for case in arguments.only:
        height, width, options = CASES[case]
        passes = 3 if height > 1000 else 9
        for order, imports in ORDERS.items():
            cells: list[str] = []
            alone = 0.0
            for command in neighbours.values():
                neighbour = subprocess.Popen(command) if command else None
                try:
                    time.sleep(1)
                    took = seconds(imports, height, width, options, passes)
                finally:
                    if neighbour:
                        neighbour.kill()
                        neighbour.wait()
                alone = alone or took
                cells.append(f"{took:.2f}" + (f" ({took / alone:.1f}×)" if neighbour else ""))
            print(f"| {case}, {order} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

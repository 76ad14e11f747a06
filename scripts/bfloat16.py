"""Measure the difference between bfloat16 and float32 for every bundled style.

    python scripts/bfloat16.py

Prints mean and largest difference, of 255, on photos of scikit-image at 256 px, on flat pictures,
on noise and on a smooth gradient. Both are computed by PyTorch, which needs no bfloat16 hardware.
"""

import argparse

import torch
from machine import machine
from torch import Tensor
from tqdm import tqdm

import hrstyle
from hrstyle.images import open_image, to_rgb, to_tensor
from hrstyle.styles import list_styles
from hrstyle.train.data import sample_path

PHOTOS = ("chelsea.png", "coffee.png", "rocket.jpg", "page.png", "camera.png")
SIZE = 256


def photo(name: str) -> Tensor:
    """A sample photo at `SIZE`."""
    image = to_rgb(open_image(sample_path(name)))
    image.thumbnail((SIZE, SIZE))
    return to_tensor(image)


def pictures() -> dict[str, list[Tensor]]:
    """The pictures to repaint, by kind."""
    shape = (1, 3, SIZE // 2, SIZE)
    return {
        "photos": [photo(name) for name in PHOTOS],
        "flat": [torch.full(shape, value) for value in (0.0, 0.5, 1.0)],
        "noise": [torch.rand(shape, generator=torch.Generator().manual_seed(0))],
        "gradient": [torch.linspace(0, 1, SIZE).expand(shape).contiguous()],
    }


def main() -> None:
    """Print one row per style."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    kinds = pictures()
    print(f"Machine: {machine(torch.device('cpu'))}\n")
    print(f"| mean / largest, of 255 | {' | '.join(kinds)} |")
    print("|-|" + "-|" * len(kinds))
    for name in tqdm(list_styles(), desc="styles", leave=False):
        exact, short = (
            hrstyle.load(name, device="cpu", engine="torch", dtype=dtype)
            for dtype in ("float32", "bfloat16")
        )
        cells = []
        for group in kinds.values():
            pairs = [[s.stylize(x, brush=False) for s in (exact, short)] for x in group]
            off = [255 * (one - other).abs() for one, other in pairs]
            mean, largest = max(x.mean().item() for x in off), max(x.max().item() for x in off)
            cells.append(f"{mean:.2f} / {largest:.0f}")
        print(f"| `{name}` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

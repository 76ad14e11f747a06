"""Check that streamed results of large pictures are exact, and measure time and memory.

    python scripts/large_pictures.py

First compares the streamed result with the plain pass at 8 megapixels. Then measures the time for
pictures of 1 megapixel and of 12000x8000 pixels, each in a process of its own, and the peak memory
of the process, with torch and the decoded picture (Linux, macOS). The pictures are mosaics of
scikit-image's photos.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine, peak_memory
from PIL import Image

import hrstyle
from hrstyle.images import open_image, save_image, to_bytes, to_tensor

STYLE = "starry_night"
WHOLE: dict[str, Any] = {"stroke_size": 1, "brush": False}
"""Options for a single pass of the network over the whole picture."""


def mosaic(width: int, height: int) -> Image.Image:
    """Sample photos at three times their size, side by side."""
    from hrstyle.train.data import SAMPLE_PHOTOS, sample_path  # not in the measured processes

    photos = itertools.cycle(SAMPLE_PHOTOS)
    result = Image.new("RGB", (width, height))
    top = 0
    while top < height:
        left, lowest = 0, height
        while left < width:
            photo = open_image(sample_path(next(photos)))
            photo = photo.resize((3 * photo.width, 3 * photo.height), Image.Resampling.BICUBIC)
            result.paste(photo.convert("RGB"), (left, top))
            left, lowest = left + photo.width, min(lowest, top + photo.height)
        top = lowest
    return result


@torch.no_grad()
def compare(width: int, height: int) -> None:
    """Print the difference between the streamed and the plain result."""
    photo = mosaic(width, height)
    stylizer = hrstyle.load(STYLE, engine="torch", device="cpu")
    plain = stylizer.generator(to_tensor(photo)).clamp(0, 1)
    print(f"| {width}×{height} px, streamed against the plain pass | largest | mean |")
    print("|-|-|-|")
    for label, memory in (("float32 kept", "1GB"), ("float16 kept (short memory)", "230MB")):
        streamed = stylizer.stylize(to_tensor(photo), max_memory=memory, **WHOLE)
        difference = 255 * (streamed - plain).abs()
        print(f"| {label}, {memory} | {difference.max():.4f} | {difference.mean():.5f} |")
    eight_bit = np.asarray(stylizer.stylize(photo, **WHOLE)).astype(int)
    difference = np.abs(eight_bit - to_bytes(plain).numpy())
    print(f"| 8-bit pictures | {difference.max()} | {difference.mean():.5f} |\n")


def child(path: str, memory: str, how: dict[str, Any]) -> None:
    """Repaint a file like `hrstyle stylize`; print seconds and peak memory in bytes."""
    Image.MAX_IMAGE_PIXELS = None
    stylizer = hrstyle.load(STYLE, engine="torch", device="cpu")
    stylizer.stylize(Image.new("RGB", (300, 200)))  # the first pass is slow
    start = time.perf_counter()
    save_image(stylizer.stylize(path, max_memory=memory, **how), f"{path}.painted.jpg")
    seconds = time.perf_counter() - start
    print(seconds, peak_memory())


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", type=int, nargs=2, default=(12000, 8000))
    parser.add_argument("--max-memory", default="1GB")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of the small picture")
    parser.add_argument(
        "--whole",
        action="store_true",
        help="a single pass of the network over the whole large picture",
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.max_memory, WHOLE if arguments.whole else {})
        return
    print(f"Machine: {machine(torch.device('cpu'))}\n")
    compare(3456, 2304)
    print("| from file to file | seconds | seconds a megapixel | ratio | peak memory, GB |")
    print("|-|-|-|-|-|")
    first = None
    with tempfile.TemporaryDirectory() as folder:
        for width, height in ((1224, 816), tuple(arguments.size)):
            path = Path(folder) / f"{width}x{height}.jpg"
            mosaic(width, height).save(path, quality=95)
            command = [sys.executable, __file__, "--child", str(path)]
            command += ["--max-memory", arguments.max_memory, *["--whole"] * arguments.whole]
            runs = []
            for _ in range(arguments.rounds if first is None else 1):
                result = subprocess.run(command, capture_output=True, text=True, check=True)
                runs.append([float(word) for word in result.stdout.split()])
            seconds, peak = sorted(runs)[len(runs) // 2]
            each = seconds / (width * height / 1e6)
            first = first or each
            row = f"{seconds:.2f} | {each:.3f} | {each / first:.2f} | {peak / 1e9:.2f}"
            print(f"| {width}×{height} px | {row} |")


if __name__ == "__main__":
    main()

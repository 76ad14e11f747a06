"""Compare a short training with one six times as long, with few photos and with many.

    python scripts/quick_training.py                    with the sample photos
    python scripts/quick_training.py --photos PHOTOS    also with a folder of photos

Trains each style from the base with `hrstyle train`, once with --steps and once with six times as
many. Then compares the loss J on held-out photos. Prints Markdown. After an interruption, run it
again to resume.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from gallery import (
    INTERRUPTED,
    Trainings,
    bad_input_exits,
    photos_at,
    picture_settings,
    setting,
    with_pictures,
)
from machine import machine
from torch import Tensor
from tqdm import tqdm

from hrstyle.checkpoint import load_generator
from hrstyle.errors import InputError
from hrstyle.files import write_atomically
from hrstyle.losses import PerceptualLoss, build
from hrstyle.styles import gallery

LONGER = 6
SIZE = 384


def train(run_dir: Path, settings: list[str], trainings: Trainings) -> float:
    """Train or resume in `run_dir`; returns the minutes, or NaN if it was interrupted before."""
    clock = run_dir / "minutes.txt"
    if clock.is_file():
        return float(clock.read_text())
    resume = ["ckpt_path=last"] if (run_dir / "last.ckpt").is_file() else []
    start = time.perf_counter()
    common = ["trainer.precision=bf16-mixed", "trainer.enable_progress_bar=false"]
    failure = trainings.run([*settings, *common, *resume, setting("run_dir", run_dir)])
    if trainings.stopped:
        sys.exit(INTERRUPTED)
    if failure:
        raise InputError(f"{run_dir.name}: {failure}")
    minutes = float("nan") if resume else (time.perf_counter() - start) / 60
    write_atomically(clock, str(minutes).encode())
    return minutes


@torch.no_grad()
def objective(weights: Path, loss: PerceptualLoss, photos: dict[str, Tensor]) -> float:
    """Mean loss over the photos."""
    generator = load_generator(weights).generator
    torch.manual_seed(0)  # so that the loss draws the same places for all
    return statistics.fmean(
        loss(generator(photo).clamp(0, 1), photo)["loss"].item() for photo in photos.values()
    )


def main() -> None:
    """Train all, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, help="folder of photos for further trainings")
    parser.add_argument("--pictures", type=Path, help="folder with <style>.jpg, where not to fetch")
    parser.add_argument(
        "--styles", nargs="+", metavar="STYLE", choices=gallery(),
        default=["great_wave", "the_scream", "mondrian"],
    )  # fmt: skip
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--output", type=Path, default=Path("runs/quick"))
    arguments = parser.parse_args()
    sources = {"samples": ["data=samples"]}
    if arguments.photos:
        sources["folder"] = ["data=folder", setting("data.root", arguments.photos)]
    lengths = (arguments.steps, LONGER * arguments.steps)
    trainings, minutes = Trainings(), {}
    for run in tqdm([(a, b, c) for a in arguments.styles for b in sources for c in lengths]):
        style, source, steps = run
        settings = [f"style={style}", *sources[source], f"trainer.max_steps={steps}"]
        settings += picture_settings(style, arguments.pictures)
        minutes[run] = train(arguments.output / f"{style}_{source}_{steps}", settings, trainings)

    device = torch.device("cpu")
    styles, loss, photos = (
        with_pictures(arguments.pictures),
        build(),
        photos_at(SIZE, device),
    )
    print(f"Machine: {machine(device)}; J on {', '.join(photos)} at {SIZE} px\n")
    print(
        f"| style | photos | J after {lengths[0]} steps | minutes | J after {lengths[1]} | ratio |"
    )
    print("|-|-|-|-|-|-|")
    for style in arguments.styles:
        loss.set_style(styles[style].load())
        loss.style_weight = styles[style].style_weight
        for source in sources:
            folders = [arguments.output / f"{style}_{source}_{steps}" for steps in lengths]
            short, long = (objective(f / f"{style}.safetensors", loss, photos) for f in folders)
            took = minutes[style, source, lengths[0]]
            print(f"| {style} | {source} | {short:.3f} | {took:.1f} | {long:.3f} |", end="")
            print(f" {short / long:.3f} |")


if __name__ == "__main__":
    with bad_input_exits("quick_training.py"):
        main()

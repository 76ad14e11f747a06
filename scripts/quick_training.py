"""How near a short training comes to one six times as long, with few photos and with many.

    python scripts/quick_training.py                    only the sample photos
    python scripts/quick_training.py --photos PHOTOS    beside them, the same with a folder

Trains each style from the base by `python -m hrstyle.train`, once with --steps and once with six
times as many, one after the other, and compares content + weight * style on photos that no training
saw. Prints Markdown. Run it again after an interruption: what is finished is not trained again.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch
from gallery import gallery, picture_settings, style_names
from machine import machine
from tqdm import tqdm

from hrstyle.checkpoint import load_generator
from hrstyle.images import open_image, to_rgb, to_tensor
from hrstyle.losses import PerceptualLoss
from hrstyle.train.data import PREVIEW_PHOTOS, sample_path

LONGER = 6
SIZE = 384


def train(run_dir: Path, settings: list[str]) -> float:
    """Train in `run_dir`, or go on there; returns the seconds it took, which it keeps in a file."""
    clock = run_dir / "seconds.txt"
    if clock.is_file():
        return float(clock.read_text())
    start = time.perf_counter()
    resume = ["ckpt_path=last"] if (run_dir / "last.ckpt").is_file() else []
    subprocess.run(
        [
            *(sys.executable, "-m", "hrstyle.train", *settings, *resume),
            *(f"run_dir={run_dir.resolve()}", "trainer.precision=bf16-mixed"),
            "trainer.enable_progress_bar=false",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - start
    # After an interruption only the rest was timed.
    clock.write_text("nan" if resume else str(seconds))
    return float(clock.read_text())


@torch.no_grad()
def objective(weights: Path, loss: PerceptualLoss) -> float:
    """Mean of the loss over the photos that no training saw."""
    generator = load_generator(weights).generator
    values = []
    for name in PREVIEW_PHOTOS:
        photo = to_rgb(open_image(sample_path(name)))
        photo.thumbnail((SIZE, SIZE))
        before = to_tensor(photo)
        values.append(loss(generator(before).clamp(0, 1), before)["loss"].item())
    return sum(values) / len(values)


def main() -> None:
    """Train all, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, help="folder of photos, for the second half")
    parser.add_argument("--pictures", type=Path, help="folder with <style>.jpg, where not to fetch")
    parser.add_argument(
        "--styles", nargs="+", metavar="STYLE", choices=style_names(),
        default=["great_wave", "the_scream", "mondrian"],
    )  # fmt: skip
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--output", type=Path, default=Path("runs/quick"))
    arguments = parser.parse_args()
    sources = {"samples": ["data=samples"]}
    if arguments.photos:
        sources["folder"] = ["data=folder", f"data.root={arguments.photos.resolve()}"]
    lengths = (arguments.steps, LONGER * arguments.steps)
    runs = [(a, b, c) for a in arguments.styles for b in sources for c in lengths]
    seconds = {}
    for style, source, steps in tqdm(runs, desc="trainings"):
        settings = [f"style={style}", *sources[source], f"trainer.max_steps={steps}"]
        settings += picture_settings(style, arguments.pictures)
        run_dir = arguments.output / f"{style}_{source}_{steps}"
        seconds[style, source, steps] = train(run_dir, settings)

    styles, loss = gallery(arguments.pictures), PerceptualLoss()
    print(f"Machine: {machine(torch.device('cpu'))}\n")
    print(
        f"| style | photos | J after {lengths[0]} steps | minutes | J after {lengths[1]} | ratio |"
    )
    print("|-|-|-|-|-|-|")
    for style in arguments.styles:
        loss.set_style(styles[style].load())
        loss.style_weight = styles[style].style_weight
        for source in sources:
            folders = [arguments.output / f"{style}_{source}_{steps}" for steps in lengths]
            short, long = (objective(f / f"{style}.safetensors", loss) for f in folders)
            minutes = seconds[style, source, lengths[0]] / 60
            print(
                f"| {style} | {source} | {short:.3f} | {minutes:.1f} | {long:.3f} |"
                f" {short / long:.3f} |"
            )


if __name__ == "__main__":
    main()

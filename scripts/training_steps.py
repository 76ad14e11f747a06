"""Draw scripts/training_steps.jpg: what a new style looks like after 0, 50, 150 and more steps.

    python scripts/training_steps.py scripts/training_steps.jpg
    python scripts/training_steps.py mine.jpg --image my_painting.jpg --steps 0 100 400

Trains a painting that comes along from the base on scikit-image's sample photos, as `python -m
hrstyle.train style.image=…` does, and shows photos that no training sees. After an interruption,
run it again to resume; then it prints no time.
"""

import argparse
import io
import sys
import time
from pathlib import Path

from gallery import INTERRUPTED, Trainings, setting
from machine import machine
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hrstyle.engine import best_device
from hrstyle.entry import bad_input_exits
from hrstyle.images import grid, save_image, titled_row
from hrstyle.styles import find

EVERY = 50
WIDTH = 300


def previews(run_dir: Path) -> dict[int, Image.Image]:
    """The previews that a training wrote, by step: photos on the left, repaints on the right."""
    found = {}
    for path in sorted((run_dir / "tensorboard").glob("events*")):
        events = EventAccumulator(str(path), size_guidance={"images": 0}).Reload()
        if "preview" in events.Tags()["images"]:
            for event in events.Images("preview"):
                found[event.step] = Image.open(io.BytesIO(event.encoded_image_string))
    return found


def main() -> None:
    """Train, and paste what the previews show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", help="the picture to write, .jpg")
    parser.add_argument("--image", default="ia_orana_maria", help="painting (ia_orana_maria)")
    parser.add_argument("--steps", nargs="+", type=int, default=[0, 50, 150, 1000])
    parser.add_argument("--run-dir", type=Path, help="runs/training_steps/STYLE by default")
    parser.add_argument("--set", nargs="+", metavar="KEY=VALUE", default=[], help="of training")
    arguments = parser.parse_args()
    if any(step % EVERY for step in arguments.steps):
        parser.error(f"--steps must be multiples of {EVERY}")
    style = find(arguments.image)
    run_dir = arguments.run_dir or Path("runs/training_steps", style.name)
    resumed = (run_dir / "last.ckpt").is_file()
    start = time.perf_counter()
    failure = Trainings().run(
        [
            setting("style.image", style.path),
            setting("run_dir", run_dir),
            f"trainer.max_steps={max(arguments.steps)}",
            f"preview_every_n_steps={EVERY}",
            *arguments.set,
            *(["ckpt_path=last"] if resumed else []),
        ]
    )
    if failure:
        print(f"training_steps.py: {failure}", file=sys.stderr)
        sys.exit(INTERRUPTED if failure == "interrupted" else 1)
    seconds = time.perf_counter() - start
    known = previews(run_dir)
    tiles = []
    for step in arguments.steps:
        preview = known[step]
        painted = preview.crop((preview.width // 2, 0, preview.width, preview.height))
        size = (WIDTH, round(painted.height * WIDTH / painted.width))
        tiles.append(titled_row([painted], f"{step} steps", size=size))
    save_image(grid(tiles, columns=len(tiles)), arguments.output, quality=80)
    if not resumed:
        steps = max(arguments.steps)
        print(f"{machine(best_device())}: {steps} steps in {seconds / 60:.1f} minutes")


if __name__ == "__main__":
    with bad_input_exits("training_steps.py"):
        main()

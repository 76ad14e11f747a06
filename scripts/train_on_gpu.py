"""Train all styles of the gallery at once on one GPU, and install the weights.

    python scripts/train_on_gpu.py --photos PHOTOS                       every style, nine minutes
    python scripts/train_on_gpu.py --photos PHOTOS --only irises mondrian --output trained/
    python scripts/train_on_gpu.py --photos PHOTOS --steps 2000          as long as that takes

Each style goes on from its weights in gallery_state/, else from its bundled weights, else from the
base. In each round all styles make one step on the same crops, whose content features are computed
once. --minutes (9) covers training and writing; reading photos and paintings takes another half a
minute. Ctrl-C ends the round and saves a checkpoint in --run-dir. To resume, also after a kill or
on another machine with that folder, run it again. For a new training, give another --run-dir. The
results are the weights, and preview.jpg with held-out photos.
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
from gallery import INTERRUPTED, photos_at, training_parser, with_pictures
from machine import machine
from rounds import Crops, Trainee, read_state, save
from tqdm import tqdm
from train_gallery import check_base, install

import hrstyle
from hrstyle.checkpoint import save_weights
from hrstyle.engine.devices import find_device
from hrstyle.entry import bad_input_exits
from hrstyle.generator.colours import COUNT, match_colours
from hrstyle.images import grid, save_image, titled_row, to_pil, trust_files
from hrstyle.losses import PerceptualLoss, build
from hrstyle.pipeline import in_order
from hrstyle.styles import WEIGHTS, Style, list_styles

WARM_UP, FIRST, FINAL = 0.02, 0.05, 0.03
"""Share of the training with a rising learning rate; the factors of its first and last value."""
WRITING = 0.05
"""Share of --minutes reserved for writing."""
SAVE_SECONDS, KEEP_ROUNDS = 60.0, 50
"""Seconds between checkpoints, and rounds between copies of each style's last good weights."""
PREVIEW, CELL = 512, (256, 192)
"""Longer side at which the preview's photos are repainted, and the size of its cells."""


def rate_at(share: float) -> float:
    """Factor of the learning rate after this share of the training."""
    if share < WARM_UP:
        return FIRST + (1 - FIRST) * share / WARM_UP
    cosine = (1 + math.cos(math.pi * min(1, (share - WARM_UP) / (1 - WARM_UP)))) / 2
    return FINAL + (1 - FINAL) * cosine


@contextmanager
def stop_asked() -> Iterator[list[int]]:
    """Collect the first Ctrl-C or SIGTERM in a list; a second one stops at once."""
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
    """Train until the time or the steps are used up, or until Ctrl-C, with checkpoints at `path`.

    Args:
        trainees, crops, loss, arguments, path: see `main`.
        step: number of steps before a resume.
        seconds: their duration.

    Returns:
        The number of steps, their duration in seconds, and whether Ctrl-C ended the training.
    """
    saved, begun = seconds, time.perf_counter() - seconds

    def share() -> float:
        if arguments.steps:
            return step / arguments.steps
        return seconds / (60 * arguments.minutes * (1 - WRITING))

    form = "{l_bar}{bar}| {elapsed}{postfix}"
    with (
        stop_asked() as asked,
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
    """Draw held-out photos, one per row: the photo, and its repaints in every style."""
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
    parser = training_parser(__doc__)
    parser.add_argument(
        "--minutes", type=float, default=9, help="time for training and writing (9)"
    )
    parser.add_argument("--steps", type=int, help="steps of each style, instead of --minutes")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[256, 384], help="sides of the crops in px"
    )
    parser.add_argument("--batch-size", type=int, default=4, help="crops per step (4)")
    parser.add_argument(
        "--learning-rate", type=float, default=2e-3, help="peak learning rate (2e-3)"
    )
    parser.add_argument(
        "--compile", action="store_true", help="use torch.compile for VGG19 and networks"
    )
    parser.add_argument("--device", help="the device (default: a GPU if there is one)")
    parser.add_argument(
        "--run-dir", type=Path, default=Path("runs/on_gpu"), help="folder of the checkpoint"
    )
    parser.add_argument(
        "--output", type=Path, help="folder for the weights, instead of the package"
    )
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
    trust_files()
    device = find_device(arguments.device)
    styles = with_pictures(arguments.pictures)
    styles = {name: styles[name] for name in arguments.only or styles}
    if not arguments.output:  # check before the training, not after it
        for name in styles.keys() & set(list_styles()):
            check_base(WEIGHTS / f"{name}.safetensors")
    folder = arguments.output or arguments.run_dir
    arguments.run_dir.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    loss = build().to(device)
    if device.type == "cuda":
        loss.vgg.features.to(torch.bfloat16)  # pixel mean and deviation stay float32
        torch.set_float32_matmul_precision("high")
    path = arguments.run_dir / "state.pt"
    state = read_state(path, styles, device)
    crops = Crops(arguments.photos, arguments.sizes, arguments.batch_size, device)
    loaded = in_order(Style.load, styles.values())
    loaded = tqdm(loaded, total=len(styles), desc="paintings", leave=False)
    paintings = {name: painting.result() for name, painting in zip(styles, loaded, strict=True)}
    trainees = [
        Trainee(style, loss.style_targets(paintings[style.name]), device)
        for style in styles.values()
    ]
    # After the paintings, because each has its own size, and benchmarking would be slow.
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
    photos = [crops(number) for number in range(math.ceil(COUNT / arguments.batch_size))]
    for trainee in trainees:
        if not trainee.is_finite():
            trainee.restore_good()
        style = trainee.style
        painting, weight = [paintings[style.name]], style.style_weight
        if not match_colours(trainee.generator, photos, painting, style_weight=weight):
            print(f"{style.name}: the colours could not be matched.")
        metadata = {"style": style.name, "credit": style.credit, "base": trainee.base}
        save_weights(weights[style.name], trainee.generator, **metadata)
        if not arguments.output:
            install(style.name, weights[style.name])
        if trainee.setbacks:
            print(
                f"{style.name} became infinite {trainee.setbacks} times, and was reset each time."
            )
    preview(arguments.run_dir / "preview.jpg", weights, device)
    print("| machine | styles | crops | steps of each | seconds a step of all |\n|-|-|-|-|-|")
    crop = f"{arguments.batch_size} of {', '.join(map(str, arguments.sizes))} px"
    print(f"| {machine(device)} | {len(styles)} | {crop} | {step} | {seconds / step:.3f} |")


if __name__ == "__main__":
    with bad_input_exits("train_on_gpu.py"):
        main()

"""Train or resume every bundled style with its YAML settings, and install the weights.

    python scripts/train_gallery.py --photos PHOTOS                         all of them
    python scripts/train_gallery.py --photos PHOTOS --only mondrian the_scream --alone 400
    python scripts/train_gallery.py --photos PHOTOS --set data.size=320 module.learning_rate=1e-3

Each style goes on from its weights in gallery_state/, else from its bundled weights, else from the
base. One training runs on each GPU, or --jobs trainings share the cores of a CPU. With --together,
one network is first trained on the paintings of `experiment=together`, and its result is the start
of these styles. After Ctrl-C or a kill, run it again to resume; finished styles are not trained
again. At the end scripts/quality.py prints its table. With a GPU, add --set
trainer.precision=bf16-mixed.
"""

import argparse
import os
import queue
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from gallery import (
    INTERRUPTED,
    Trainings,
    picture_settings,
    setting,
    start_of,
    together_styles,
    training_parser,
    unfinished,
)
from tqdm import tqdm

from hrstyle.checkpoint import fingerprint, load_generator
from hrstyle.entry import bad_input_exits
from hrstyle.errors import InputError
from hrstyle.files import write_atomically
from hrstyle.styles import BASE, WEIGHTS, gallery


def settings_of(name: str, arguments: argparse.Namespace) -> list[str]:
    """Hydra settings for the training of one style, or of all together if `name` is `BASE`."""
    run_dir = arguments.output / name
    together = arguments.output / BASE
    if name == BASE:
        settings = ["experiment=together", f"trainer.max_steps={arguments.together}"]
    else:
        settings = [f"style={name}", "data=folder", f"trainer.max_steps={arguments.alone}"]
        settings.append(f"module.learning_rate={arguments.learning_rate}")
        start = start_of(name)
        if arguments.together and name in together_styles():
            start = together / f"{name}.safetensors"
        settings.append(setting("init", start) if isinstance(start, Path) else f"init={start}")
    return [
        *settings,
        setting("run_dir", run_dir),
        setting("data.root", arguments.photos),
        "trainer.devices=1",
        "trainer.enable_progress_bar=false",
        *picture_settings(name, arguments.pictures),
        *arguments.set,
        *(["ckpt_path=last"] if (run_dir / "last.ckpt").is_file() else []),
    ]


def free_places(jobs: int) -> queue.Queue[dict[str, str]]:
    """For each training that can run at the same time, its additional environment variables."""
    places: queue.Queue[dict[str, str]] = queue.Queue()
    if gpus := torch.cuda.device_count():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        for gpu in visible if visible[0] else range(gpus):
            places.put({"CUDA_VISIBLE_DEVICES": str(gpu)})
    else:
        threads = max(1, (os.cpu_count() or 1) // jobs)
        for _ in range(jobs):
            # PASSIVE, because spinning threads would take the cores from the other trainings.
            places.put({"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"})
    return places


def check_base(trained: Path) -> None:
    """Raise InputError if these weights were trained from another base than the package's.

    They could not be mixed with the other styles.
    """
    base = load_generator(WEIGHTS / f"{BASE}.safetensors")
    if load_generator(trained).base != (base.base or fingerprint(base.generator)):
        raise InputError(
            f"{trained} was trained from another base; train it again with another --output"
        )


def install(name: str, trained: Path) -> None:
    """Copy trained weights into the package; the style's unfinished ones are deleted.

    Raises:
        InputError: see `check_base`.
    """
    if name != BASE:
        check_base(trained)
    write_atomically(WEIGHTS / f"{name}.safetensors", trained.read_bytes())
    unfinished(name).unlink(missing_ok=True)


def train(
    name: str,
    arguments: argparse.Namespace,
    trainings: Trainings,
    places: queue.Queue[dict[str, str]],
) -> str:
    """Train one style when a place is free; returns "", or the error in a sentence."""
    trained = arguments.output / name / f"{name}.safetensors"
    try:
        if not trained.is_file():
            place = places.get()
            try:
                failure = trainings.run(settings_of(name, arguments), os.environ | place)
            finally:
                places.put(place)
            if failure:
                return f"{name}: {failure}"
        install(name, trained)
    except InputError as error:
        return f"{name}: {error}"
    return ""


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = training_parser(__doc__)
    parser.add_argument(
        "--alone", type=int, default=600, metavar="STEPS", help="steps of each style (600)"
    )
    parser.add_argument(
        "--learning-rate", type=float, default=2e-3, help="learning rate of each style (2e-3)"
    )
    parser.add_argument(
        "--together", type=int, default=0, metavar="STEPS", help="steps of all together first (0)"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        metavar="KEY=VALUE",
        default=[],
        help="further settings of each training",
    )
    parser.add_argument("--output", type=Path, default=Path("runs/gallery"))
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time without a GPU")
    parser.add_argument("--no-table", action="store_true", help="do not measure at the end")
    arguments = parser.parse_args()
    if min(arguments.jobs, arguments.alone) < 1 or arguments.together < 0:
        parser.error("--jobs and --alone must be at least 1, and --together not negative")
    return arguments


def main() -> None:
    """Train what is not trained yet, then measure."""
    arguments = parse_arguments()
    trainings, places = Trainings(), free_places(arguments.jobs)
    styles = arguments.only or list(gallery())
    failures = []
    if arguments.together:
        print(f"All together first; watch {arguments.output / BASE / 'preview.png'}")
        failures = [train(BASE, arguments, trainings, places)]
    if not any(failures):
        with ThreadPoolExecutor(places.qsize()) as pool:
            jobs = pool.map(lambda name: train(name, arguments, trainings, places), styles)
            failures += tqdm(jobs, total=len(styles), desc="styles")
    if trainings.stopped:
        sys.exit(INTERRUPTED)
    if any(failures):
        raise InputError("\n".join(failure for failure in failures if failure))
    if not arguments.no_table:
        quality = Path(__file__).with_name("quality.py")
        pictures = ["--pictures", str(arguments.pictures)] if arguments.pictures else []
        subprocess.run([sys.executable, quality, "--only", *styles, *pictures], check=True)


if __name__ == "__main__":
    with bad_input_exits("train_gallery.py"):
        main()

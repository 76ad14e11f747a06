"""Train or resume every style that comes along, each from its YAML, and put the weights in place.

    python scripts/train_gallery.py --photos PHOTOS                         all of them
    python scripts/train_gallery.py --photos PHOTOS --only mondrian the_kiss
    python scripts/train_gallery.py --photos PHOTOS trainer.max_steps=500   any setting of training

First the base network is trained from nothing on all pictures together, unless it is there; then
each style from the base. Styles run side by side, one on each GPU; on a CPU as many as --jobs says,
which share its cores. Run it again after an interruption and it goes on where it was; what is
finished is not trained again. At the end scripts/quality.py prints its tables.
"""

import argparse
import os
import queue
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from gallery import picture_settings, style_names
from tqdm import tqdm

from hrstyle.images import write_atomically
from hrstyle.styles import BASE, WEIGHTS

BASE_SETTINGS = ["init=scratch", "trainer.max_steps=2500"]
STYLE_SETTINGS = ["trainer.max_steps=800"]
"""What the bundled weights were trained with; what both have in common is in `command`."""


def command(name: str, arguments: argparse.Namespace) -> list[str]:
    """The training of one style, or of the base."""
    run_dir = arguments.output / name
    return [
        *(sys.executable, "-m", "hrstyle.train", f"style={name}", f"run_dir={run_dir.resolve()}"),
        *("data=folder", f"data.root={arguments.photos.resolve()}"),
        *("trainer.precision=bf16-mixed", "trainer.devices=1", "trainer.enable_progress_bar=false"),
        *(BASE_SETTINGS if name == BASE else STYLE_SETTINGS),
        *picture_settings(name, arguments.pictures),
        *arguments.settings,
        *(["ckpt_path=last"] if (run_dir / "last.ckpt").is_file() else []),
    ]


def train(name: str, arguments: argparse.Namespace, places: queue.Queue[dict[str, str]]) -> str:
    """Train one style in the next free place; returns what to tell of it, "" if all went well."""
    trained = arguments.output / name / f"{name}.safetensors"
    if not trained.is_file():
        place = places.get()
        try:
            done = subprocess.run(
                command(name, arguments),
                env=os.environ | place,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        finally:
            places.put(place)
        if done.returncode or not trained.is_file():
            return f"{name} failed: {done.stderr.strip().splitlines()[-1:]}"
    write_atomically(WEIGHTS / f"{name}.safetensors", trained.read_bytes())
    return ""


def free_places(jobs: int) -> queue.Queue[dict[str, str]]:
    """The environment of each training that can run at the same time."""
    places: queue.Queue[dict[str, str]] = queue.Queue()
    gpus = torch.cuda.device_count()
    for number in range(gpus or jobs):
        if gpus:
            places.put({"CUDA_VISIBLE_DEVICES": str(number)})
        else:
            # Threads that wait by spinning would take the cores from the other trainings.
            threads = max(1, (os.cpu_count() or 1) // jobs)
            places.put({"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"})
    return places


def main() -> None:
    """Train what is not trained yet, then measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos to train on")
    parser.add_argument("--pictures", type=Path, help="folder with <style>.jpg, where not to fetch")
    parser.add_argument("--only", nargs="+", metavar="STYLE", choices=style_names())
    parser.add_argument("--output", type=Path, default=Path("runs/gallery"))
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time without a GPU")
    parser.add_argument("--no-table", action="store_true", help="do not measure at the end")
    arguments, arguments.settings = parser.parse_known_args()

    places = free_places(arguments.jobs)
    names, failures = arguments.only or style_names(), []
    if not (WEIGHTS / f"{BASE}.safetensors").is_file():
        print(f"Training the base first; watch {arguments.output / BASE / 'preview.png'}")
        if failure := train(BASE, arguments, places):
            sys.exit(failure)
    with ThreadPoolExecutor(places.qsize()) as pool:
        jobs = pool.map(lambda name: train(name, arguments, places), names)
        for failure in tqdm(jobs, total=len(names), desc="styles"):
            if failure:
                failures.append(failure)
    if failures:
        sys.exit("\n".join(failures))
    if not arguments.no_table:
        quality = Path(__file__).with_name("quality.py")
        pictures = ["--pictures", str(arguments.pictures)] if arguments.pictures else []
        subprocess.run([sys.executable, quality, "--only", *names, *pictures], check=True)


if __name__ == "__main__":
    main()

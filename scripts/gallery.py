"""Helpers of the gallery's scripts: its styles, held-out photos, and running trainings."""

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from types import FrameType

import torch
import yaml
from torch import Tensor

from hrstyle.errors import INTERRUPTED, InputError
from hrstyle.images import open_image, to_rgb, to_tensor
from hrstyle.styles import BASE, CONFIGS, Style, gallery, list_styles
from hrstyle.train.data import PREVIEW_PHOTOS, sample_path

STATE = Path(__file__).parent / "gallery_state"
"""Weights of styles whose training is not over; where there are none, the folder is not needed."""


def unfinished(name: str) -> Path:
    """The file of a style's weights whose training is not over."""
    return STATE / f"{name}.safetensors"


def start_of(name: str) -> str | Path:
    """The weights from which a style's training goes on: unfinished ones, bundled ones or base."""
    if unfinished(name).is_file():
        return unfinished(name)
    return name if name in list_styles() else BASE


def together_styles() -> list[str]:
    """Names of the styles that `experiment=together` trains."""
    settings = yaml.safe_load((CONFIGS / "style" / f"{BASE}.yaml").read_text())
    return [entry.partition("@")[0] for entry in settings["defaults"] if "@pictures." in entry]


def pictures_in(folder: Path | None) -> dict[str, Path]:
    """The pictures `<style>.jpg` of a folder, by style."""
    files = {name: folder / f"{name}.jpg" for name in gallery()} if folder else {}
    return {name: path for name, path in files.items() if path.is_file()}


def with_pictures(folder: Path | None) -> dict[str, Style]:
    """The gallery's styles, with the pictures of `folder` where it has them."""
    found = pictures_in(folder)
    return {
        name: replace(style, image=str(found[name])) if name in found else style
        for name, style in gallery().items()
    }


def setting(key: str, path: Path) -> str:
    """A Hydra argument `key="path"`, quoted for any characters in the path."""
    quoted = path.resolve().as_posix().replace('"', r"\"")
    return f'{key}="{quoted}"'


def picture_settings(name: str, folder: Path | None) -> list[str]:
    """Hydra settings that use the pictures `<style>.jpg` of `folder` instead of downloads."""
    keys = {name: "style.image"}
    if name == BASE:
        keys = {part: f"style.pictures.{part}.image" for part in together_styles()}
    found = pictures_in(folder)
    return [setting(key, found[part]) for part, key in keys.items() if part in found]


def training_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of what every training of the gallery takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos to train on")
    parser.add_argument("--pictures", type=Path, help="folder with <style>.jpg, where not to fetch")
    parser.add_argument("--only", nargs="+", metavar="STYLE", choices=gallery())
    return parser


def photos_at(
    size: int, device: torch.device, names: Sequence[str] = PREVIEW_PHOTOS
) -> dict[str, Tensor]:
    """Photos of scikit-image's wheel, or files, with a longer side of at most `size`, by name.

    The default photos are held out from every training.
    """
    photos = {}
    for name in names:
        path = sample_path(name) if sample_path(name).is_file() else Path(name)
        if path.stem in photos:
            raise InputError(f"{path}: there are two photos named {path.stem}; rename one")
        photo = to_rgb(open_image(path, at_least=2 * size))
        photo.thumbnail((size, size))
        photos[path.stem] = to_tensor(photo).to(device)
    return photos


class Trainings:
    """Runs trainings as child processes, and stops them cleanly with this process.

    On Ctrl-C or SIGTERM, each running training gets one SIGINT, finishes its step and saves a
    checkpoint, and no further training starts. The children do not get the terminal's own Ctrl-C,
    because a second one would stop them at once.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = Lock()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if not self.stopped:
            self.stopped = True
            print("\nStopping after the current steps.", file=sys.stderr)
            for child in list(self._running):
                child.send_signal(signal.SIGINT)

    def run(self, settings: Sequence[str], environment: dict[str, str] | None = None) -> str:
        """Run one training to its end; returns "", or the error in a sentence."""
        with self._lock:
            if self.stopped:
                return "interrupted"
            child = subprocess.Popen(
                [sys.executable, "-m", "hrstyle.train", *settings],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            self._running.add(child)
        try:
            _, errors = child.communicate()
        finally:
            self._running.discard(child)
        if child.returncode == INTERRUPTED:
            return "interrupted"
        lines = errors.strip().splitlines() or [f"exit code {child.returncode}"]
        return lines[-1] if child.returncode else ""

"""What the scripts about the gallery share: its styles, photos to judge by, running trainings."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from types import FrameType

import torch
from torch import Tensor

from hrstyle.errors import InputError
from hrstyle.images import open_image, to_rgb, to_tensor
from hrstyle.styles import BASE, Style, gallery
from hrstyle.train.data import PREVIEW_PHOTOS, sample_path

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


def with_pictures(folder: Path | None) -> dict[str, Style]:
    """The gallery's styles; those with a picture `<name>.jpg` in `folder` take that one."""
    found = {name: folder / f"{name}.jpg" for name in gallery()} if folder else {}
    return {
        name: replace(style, image=str(found[name]))
        if name in found and found[name].is_file()
        else style
        for name, style in gallery().items()
    }


def setting(key: str, path: Path) -> str:
    """A path as an argument for Hydra, whatever characters are in it."""
    quoted = path.resolve().as_posix().replace('"', r"\"")
    return f'{key}="{quoted}"'


def picture_settings(name: str, folder: Path | None) -> list[str]:
    """Settings that take the pictures from `folder` (`<style>.jpg`) instead of fetching them."""
    if folder is None:
        return []
    keys = {name: "style.image"}
    if name == BASE:
        keys = {part: f"style.pictures.{part}.image" for part in gallery()}
    found = {part: folder / f"{part}.jpg" for part in keys}
    return [setting(keys[part], path) for part, path in found.items() if path.is_file()]


def photos_at(
    size: int, device: torch.device, names: Sequence[str] = PREVIEW_PHOTOS
) -> dict[str, Tensor]:
    """Photos of scikit-image's wheel, or files, with the longer side `size`, by name.

    No training sees those that are the default.
    """
    photos = {}
    for name in names:
        path = sample_path(name) if sample_path(name).is_file() else Path(name)
        photo = to_rgb(open_image(path))
        photo.thumbnail((size, size))
        photos[path.stem] = to_tensor(photo).to(device)
    return photos


class Trainings:
    """Runs of `python -m hrstyle.train`, which end in good order when this process is to end.

    On Ctrl-C or SIGTERM each is told once, as by Ctrl-C, finishes its step and saves; no further
    one starts. The terminal's own Ctrl-C does not reach them: a second one stops them at once.
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
            print("\nStopping after the steps under way.", file=sys.stderr)
            for child in list(self._running):
                child.send_signal(signal.SIGINT)

    def run(self, settings: Sequence[str], environment: dict[str, str] | None = None) -> str:
        """Run one and wait for it; "" if it reached its end, else what went wrong."""
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


@contextmanager
def bad_input_exits(script: str) -> Iterator[None]:
    """Turn what the user can mend into one sentence on stderr and exit code 2."""
    try:
        yield
    except InputError as error:
        print(f"{script}: {error}", file=sys.stderr)
        sys.exit(2)

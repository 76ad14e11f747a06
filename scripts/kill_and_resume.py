"""Kill a training at random moments, resume it each time, and compare with an undisturbed one.

    python scripts/kill_and_resume.py --kills 20

Each process gets SIGKILL at a random moment: at its start, in a step, or while it writes its
checkpoint. At the end the weights and the optimiser must equal the undisturbed run's to the bit.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

SETTINGS = [
    *("style=starry_night", "init=scratch", "style.size=64", "data.size=32"),
    *("generator.channels=[4,8,8]", "generator.blocks=[1,1]", "data.num_workers=0"),
    *("trainer.accelerator=cpu", "trainer.enable_progress_bar=false"),
    *("preview_every_n_steps=1000000", "checkpoint_every_n_steps=1"),
]


def start(run_dir: Path, steps: int) -> "subprocess.Popen[bytes]":
    """Start a training, or resume it if there is a checkpoint."""
    resume = ["ckpt_path=last"] if (run_dir / "last.ckpt").is_file() else []
    command = [sys.executable, "-m", "hrstyle.train", *SETTINGS, *resume]
    command += [f"trainer.max_steps={steps}", f"run_dir={run_dir}"]
    # A session of its own, so that its child processes can be killed with it.
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def finish(run_dir: Path, steps: int) -> float:
    """Train to the end; returns the seconds until the first checkpoint."""
    before, first = time.monotonic(), 0.0
    with start(run_dir, steps) as process:
        while process.poll() is None:
            if not first and (run_dir / "last.ckpt").is_file():
                first = time.monotonic() - before
            time.sleep(0.05)
        if process.returncode:
            sys.exit(f"the training failed: {process.communicate()[1].decode()}")
    return first


def state(run_dir: Path) -> dict[str, Any]:
    """The run's checkpoint."""
    loaded: dict[str, Any] = torch.load(run_dir / "last.ckpt", weights_only=True)
    return loaded


def same(one: Any, other: Any) -> bool:
    """Whether two checkpoints are equal, to the bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def main() -> None:
    """Kill, resume, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=3000, help="number of steps of the training")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        undisturbed, killed = Path(folder, "undisturbed"), Path(folder, "killed")
        first = finish(undisturbed, arguments.steps)
        reached = []
        for _ in tqdm(range(arguments.kills), desc="kills"):
            process = start(killed, arguments.steps)
            time.sleep(moments.uniform(0.5, 1.7) * first)
            if process.poll() is not None:
                break  # done before it could be killed
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            exists = (killed / "last.ckpt").is_file()
            reached.append(state(killed)["global_step"] if exists else 0)
        finish(killed, arguments.steps)
        print(f"{len(reached)} kills, at steps", ", ".join(map(str, reached)))
        equal = all(
            same(state(undisturbed)[part], state(killed)[part])
            for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step")
        )
    print("the same to the bit" if equal else "NOT the same")
    sys.exit(not equal)


if __name__ == "__main__":
    main()

"""How much memory a pass may take."""

import math
from pathlib import Path

import psutil
import torch

LEAST = 1e9
"""Bytes that a pass may take however little is free."""


def share_of_free(device: torch.device) -> float:
    """Half of the bytes that are free on a device at this moment, but at least `LEAST`."""
    if device.type == "cuda":
        free = float(torch.cuda.mem_get_info(device)[0])
    else:
        free = min(psutil.virtual_memory().available, free_in_container())
    return max(LEAST, free / 2)


def free_in_container(root: Path = Path("/sys/fs/cgroup"), own: str | None = None) -> float:
    """Bytes that the control groups of this process leave it; infinity where none limits it.

    psutil sees the whole machine. Memory of files that were read counts as free: the kernel gives
    it up.

    Args:
        root: where control groups (version 2) are mounted; those of version 1 are not looked at.
        own: what `/proc/self/cgroup` says.
    """
    try:
        own = Path("/proc/self/cgroup").read_text() if own is None else own
        group = root / own.strip().rpartition("::/")[2]
        free = math.inf
        for folder in (group, *group.parents):
            if (folder / "memory.max").is_file():
                free = min(free, _free_in(folder))
            if folder == root:
                break
        return free
    except (OSError, ValueError, KeyError):  # no Linux, or not laid out like this
        return math.inf


def _free_in(group: Path) -> float:
    limit = (group / "memory.max").read_text().strip()
    if limit == "max":
        return math.inf
    counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    used = int((group / "memory.current").read_text()) - int(counts["inactive_file"])
    return max(0.0, float(limit) - used)

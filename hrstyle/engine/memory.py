"""How much memory a pass may take."""

import math
from pathlib import Path

import psutil
import torch

MIN_BYTES = 1e9
"""Bytes that a pass may always take, even if less is free."""


def share_of_free(device: torch.device) -> float:
    """Half of the bytes that are free on the device now, but at least `MIN_BYTES`."""
    if device.type == "cuda":
        free = float(torch.cuda.mem_get_info(device)[0])
    else:
        free = min(psutil.virtual_memory().available, free_in_container())
    return max(MIN_BYTES, free / 2)


def free_in_container(root: Path = Path("/sys/fs/cgroup"), membership: str | None = None) -> float:
    """Free bytes within the limits of this process's control groups; infinity without a limit.

    psutil reports the whole machine and does not see these limits. The file cache counts as free,
    because the kernel releases it on demand.

    Args:
        root: where control groups (version 2) are mounted. Those of version 1 are ignored.
        membership: contents of `/proc/self/cgroup`; None reads that file.
    """
    try:
        membership = Path("/proc/self/cgroup").read_text() if membership is None else membership
        group = root / membership.strip().rpartition("::/")[2]
        free = math.inf
        for folder in (group, *group.parents):
            if (folder / "memory.max").is_file():
                free = min(free, _free_in(folder))
            if folder == root:
                break
        return free
    except (OSError, ValueError, KeyError):  # not Linux, or control groups of another layout
        return math.inf


def _free_in(group: Path) -> float:
    limit = (group / "memory.max").read_text().strip()
    if limit == "max":
        return math.inf
    counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    used = int((group / "memory.current").read_text()) - int(counts["inactive_file"])
    return max(0.0, float(limit) - used)

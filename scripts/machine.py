"""Helpers of the measuring scripts: the machine's name, and this process's peak memory."""

import platform
import resource
import sys
from pathlib import Path

import torch


def machine(device: torch.device) -> str:
    """The machine and the version of torch, in one line."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return f"{model}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def peak_memory() -> int:
    """Peak resident memory of this process in bytes."""
    try:
        # Not ru_maxrss, which on Linux starts with the parent process's peak.
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

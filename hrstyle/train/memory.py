"""How the C library treats memory that a training step frees."""

import ctypes
import sys

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_LARGEST_INT = 2**31 - 1


def keep_freed_memory() -> bool:
    """Keep freed memory for the next step instead of giving it back to the system.

    Each step frees hundreds of blocks of many megabytes. glibc returns such blocks at once, and the
    system clears them again, page by page, when the next step asks: a quarter of the time of a step
    on a CPU (scripts/measure_training.py). The process keeps what it has taken at its peak.

    Returns:
        Whether the C library is one that can be told so, which is glibc on Linux.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT))

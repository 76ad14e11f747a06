"""PyTorch's threads on a machine that is doing something else, too."""

import threading
from functools import cache

import torch


@cache
def stop_spinning() -> None:
    """Let threads of PyTorch that wait for others sleep soon, instead of spinning.

    GNU OpenMP, which PyTorch's wheels for Linux bring, lets a waiting thread spin for milliseconds.
    That is fastest on an idle machine. Beside a busy process the spinning thread takes the very
    processor that the awaited one needs, and a pass takes many times as long. The environment's
    OMP_WAIT_POLICY=PASSIVE, which `import hrstyle` sets, forbids it, but is read when torch is
    loaded, and that may have been before.

    Where there are more OpenMP threads than processors, GNU OpenMP spins for a hundredth of
    that time. So one idle team of threads, which sleeps for ever, is enough, and costs nothing.
    """
    ready = threading.Event()

    def idle_team() -> None:
        torch.ones(1 << 18).add_(1)  # large enough for all threads: makes the team
        ready.set()
        threading.Event().wait()

    if torch.get_num_threads() > 1:
        threading.Thread(target=idle_team, name="hrstyle idle team", daemon=True).start()
        ready.wait()

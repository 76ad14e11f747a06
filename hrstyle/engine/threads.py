"""PyTorch's threads on a machine that runs other programs, too."""

import threading
from functools import cache

import torch


@cache
def stop_spinning() -> None:
    """Let waiting PyTorch threads sleep soon instead of spinning.

    GNU OpenMP, which PyTorch's wheels for Linux bring, lets a waiting thread spin for milliseconds.
    That is fastest on an idle machine. Beside a busy process, spinning threads occupy the processor
    that the other threads need, and a pass takes many times as long. `import hrstyle` sets
    OMP_WAIT_POLICY=PASSIVE, which turns spinning off, but OpenMP reads it only when torch is
    loaded, and a program may have loaded torch before.

    GNU OpenMP spins for only a hundredth of that time if there are more OpenMP threads than
    processors. So this starts one more team of threads, which sleeps for ever and costs nothing.
    """
    ready = threading.Event()

    def idle_team() -> None:
        torch.ones(1 << 18).add_(1)  # large enough to start all threads of the team
        ready.set()
        threading.Event().wait()

    if torch.get_num_threads() > 1:
        threading.Thread(target=idle_team, name="hrstyle idle team", daemon=True).start()
        ready.wait()

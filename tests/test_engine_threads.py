import subprocess
import sys

import pytest

IDLE_TEAM = """
import threading
import torch
torch.set_num_threads(2)
import hrstyle
hrstyle.load("starry_night", device="cpu", engine="torch")
hrstyle.load("great_wave", device="cpu", engine="torch")
print([thread.name for thread in threading.enumerate()].count("hrstyle idle team"))
"""


def printed(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return result.stdout.strip()


def test_importing_hrstyle_first_makes_waiting_threads_sleep():
    code = "import hrstyle, os; print(os.environ['OMP_WAIT_POLICY'])"
    assert printed(code) == "PASSIVE"
    assert printed(code, OMP_WAIT_POLICY="ACTIVE") == "ACTIVE"  # who asks for it gets it


@pytest.mark.slow
def test_one_idle_team_where_torch_came_first():
    assert printed(IDLE_TEAM) == "1"  # and the process ends, although the team sleeps for ever

import subprocess
import sys

import pytest

# How often the system has to provide pages while blocks of 64 MB come and go.
FAULTS = """
import resource, sys, torch
from hrstyle.train.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def work():
    for _ in range(20):
        torch.ones(2**24)
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's settings")
def test_freed_memory_is_used_again():
    faults = {
        how: int(subprocess.check_output([sys.executable, "-c", FAULTS, how]))
        for how in ("keep", "give back")
    }
    assert faults["keep"] < 0.05 * faults["give back"]

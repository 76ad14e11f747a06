import subprocess
import sys

import pytest

from hrstyle.train import memory

# How often the system has to provide pages while blocks of 64 MB come and go.
FAULTS = """
import resource, runpy, sys
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        b"x" * 2**26
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults())
assert runpy.run_path(sys.argv[1])["keep_freed_memory"]()
faults()
print(faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's settings")
def test_freed_memory_is_used_again():
    said = subprocess.check_output([sys.executable, "-c", FAULTS, memory.__file__], text=True)
    given_back, kept = map(int, said.split())
    assert kept < 0.05 * given_back

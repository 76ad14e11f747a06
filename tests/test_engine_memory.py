import math

import psutil
import pytest
import torch

from hrstyle.engine import share_of_free
from hrstyle.engine.memory import MIN_BYTES, free_in_container


def test_half_of_what_is_free():
    share = share_of_free(torch.device("cpu"))
    free = min(psutil.virtual_memory().available, free_in_container())
    assert share == pytest.approx(max(MIN_BYTES, free / 2), rel=0.2)


def group(folder, limit, used, cached):
    folder.mkdir(exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon {used - cached}\ninactive_file {cached}\n")


def test_the_tightest_control_group_counts(tmp_path):
    assert free_in_container(tmp_path, "0::/pod/app\n") == math.inf
    group(tmp_path / "pod", 5_000, 4_500, 1_500)
    group(tmp_path / "pod" / "app", "max", 900, 100)
    assert free_in_container(tmp_path, "0::/pod/app\n") == 2_000
    group(tmp_path / "pod" / "app", 1_000, 900, 100)
    assert free_in_container(tmp_path, "0::/pod/app\n") == 200
    group(tmp_path / "pod" / "app", 1_000, 1_200, 100)
    assert free_in_container(tmp_path, "0::/pod/app\n") == 0
    assert free_in_container(tmp_path, "not laid out like this") == math.inf

"""Training in several processes, against one that does the same."""

import subprocess
import sys

import pytest
import torch

from hrstyle.train.start import LAST


def weights(run_dir):
    return torch.load(run_dir / LAST, weights_only=True)["state_dict"]


TWO_OR_ONE = """
import sys
from functools import partial
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from hrstyle.generator import pyramid
from hrstyle.losses.objectives import gram
from hrstyle.styles import Style
from hrstyle.train import data, train


class Dealt(pl.LightningDataModule):
    # Crop k goes to process k % n of n.
    preview_paths, repaint_paths = data.samples(num_workers=0).preview_paths, ()

    def train_dataloader(self):
        crops = torch.rand(8, 1, 3, 32, 32, generator=torch.Generator().manual_seed(5))
        mine = crops[self.trainer.global_rank :: self.trainer.world_size]
        return DataLoader(list(mine), batch_size=None)


devices = int(sys.argv[1])
pl.seed_everything(0)
train(
    style=Style(image="starry_night", name="night", size=64),
    data=Dealt(),
    generator=pyramid(channels=(4, 8), blocks=(1,)),
    loss=gram(content_layers=["relu2_1"], style_layers=["relu1_1", "relu2_1"]),
    init="scratch",
    trainer=partial(
        pl.Trainer, max_steps=4, accelerator="cpu", devices=devices,
        accumulate_grad_batches=2 // devices, use_distributed_sampler=False,
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
    ),
    run_dir=Path(f"run{devices}"),
)
"""


@pytest.mark.slow
def test_two_processes_are_one_that_accumulates_two_crops(tmp_path):
    (tmp_path / "train.py").write_text(TWO_OR_ONE)
    for devices in ("1", "2"):
        command = [sys.executable, "train.py", devices]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    one, two = weights(tmp_path / "run1"), weights(tmp_path / "run2")
    assert one.keys() == two.keys()
    for key in one:
        assert torch.allclose(one[key], two[key], rtol=0, atol=1e-4), key

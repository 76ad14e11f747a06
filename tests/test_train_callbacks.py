import signal
from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.demos.boring_classes import BoringModel

from hrstyle.images import open_image, to_tensor
from hrstyle.train.callbacks import Preview, SaveEvery, StepProgressBar, StopOnInterrupt
from hrstyle.train.data import sample_path


class Echo(BoringModel):
    """Lightning's smallest model; as a function it darkens a picture by half."""

    def forward(self, x):
        return self.layer(x) if x.shape[-1] == 32 and x.ndim == 2 else x / 2

    def repaints(self, photo):
        return [self(photo)]

    def train_dataloader(self):
        return torch.utils.data.DataLoader(torch.ones(64, 32))

    def training_step(self, batch, batch_idx):
        loss = self.layer(batch).sum()
        self.log("loss", loss, prog_bar=True)
        return loss

    val_dataloader = None
    validation_step = None


def fit(callbacks, ckpt_path=None, **settings):
    trainer = pl.Trainer(
        accelerator="cpu",
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        **({"max_steps": 4} | settings),
    )
    trainer.fit(Echo(), ckpt_path=ckpt_path)
    return trainer


def test_progress_bar_counts_to_the_last_step_and_shows_the_loss(capsys):
    fit([StepProgressBar(refresh_rate=1)], accumulate_grad_batches=2)
    text = capsys.readouterr()
    shown = text.out + text.err
    assert "8/8" in shown
    assert "loss=" in shown
    assert "v_num" not in shown


def test_preview_draws_photo_and_result_side_by_side(tmp_path):
    photos = [sample_path("chelsea.png"), sample_path("astronaut.png")]
    style = torch.zeros(1, 3, 8, 8)
    preview = Preview(photos, paintings=[style], folder=tmp_path, every_n_steps=3, size=96)
    fit([preview, StepProgressBar()], enable_progress_bar=True)
    grid = to_tensor(open_image(tmp_path / "preview.png"))[0]
    height, width = preview.photos.shape[-2:]
    assert (height, width) == (64, 96)
    for row, photo in enumerate(preview.photos):
        top = 2 + row * (height + 2)
        left, right = (grid[:, top : top + height, x : x + width] for x in (2, 4 + width))
        assert torch.allclose(left, photo, atol=1 / 255)
        assert torch.allclose(right, photo / 2, atol=1 / 255)


@pytest.mark.filterwarnings("ignore:You're resuming")  # these data are no `PhotoData`
def test_saves_every_few_steps_and_once_a_step(tmp_path, monkeypatch):
    saved = []
    save = pl.Trainer.save_checkpoint

    def record(trainer, path, **options):
        saved.append(trainer.global_step)
        save(trainer, path, **options)

    monkeypatch.setattr(pl.Trainer, "save_checkpoint", record)
    path = tmp_path / "last.ckpt"
    settings = {"accumulate_grad_batches": 3, "enable_progress_bar": False}
    fit([SaveEvery(path, every_n_steps=2)], max_steps=5, **settings)
    assert saved == [2, 4]
    assert torch.load(path, weights_only=True)["global_step"] == 4
    # After a resume the first accumulated batches are still of step 4, which is saved already.
    fit([SaveEvery(path, every_n_steps=2)], path, max_steps=7, **settings)
    assert saved == [2, 4, 6]


class Raise(pl.Callback):
    def __init__(self, action):
        self.action = action

    def on_train_batch_start(self, trainer, *args):
        if trainer.global_step == 1:
            self.action()


@pytest.mark.parametrize("one", [signal.SIGINT, signal.SIGTERM])
def test_first_interrupt_finishes_the_step(capsys, one):
    interrupt = StopOnInterrupt()
    press = Raise(partial(signal.raise_signal, one))
    before = signal.getsignal(one)
    trainer = fit([interrupt, press], enable_progress_bar=False)
    assert interrupt.interrupted
    assert trainer.global_step == 2
    assert signal.getsignal(one) is before


def test_second_interrupt_stops_at_once():
    def press_twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises((SystemExit, KeyboardInterrupt)):
            fit([StopOnInterrupt(), Raise(press_twice)], enable_progress_bar=False)
    finally:
        signal.signal(signal.SIGINT, before)  # Lightning ignores Ctrl-C from then on


def test_signal_handler_is_restored_after_an_error():
    def fail():
        raise ZeroDivisionError

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError):
        fit([StopOnInterrupt(), Raise(fail)], enable_progress_bar=False)
    assert signal.getsignal(signal.SIGINT) is before


def test_photos_of_other_shapes_are_cropped_to_the_first(tmp_path):
    photos = [sample_path("astronaut.png"), sample_path("rocket.jpg")]
    preview = Preview(photos, paintings=[], folder=tmp_path, every_n_steps=1, size=64)
    assert preview.photos.shape == (2, 3, 64, 64)
    assert np.isfinite(preview.photos.numpy()).all()

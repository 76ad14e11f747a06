"""The LightningModule: trains a generator with a perceptual loss."""

import math
import warnings
from typing import Any, Self

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
    StepLR,
)

from hrstyle.checkpoint import generator_state
from hrstyle.errors import InputError, NonFiniteError
from hrstyle.generator.base import Generator
from hrstyle.losses import PerceptualLoss
from hrstyle.losses.sampling import seeded


class StyleTransfer(pl.LightningModule):
    """Trains `generator` to minimise `loss` on repainted photos.

    Optimiser and checkpoint hold the generator's parameters, but not the loss network.

    Args:
        generator: the network to train.
        loss: its style must be set before training starts.
        style, credit, base: saved in the checkpoint, see `hrstyle.checkpoint.Trained`.
        learning_rate: Adam's peak learning rate.
        warmup_steps: steps in which the learning rate rises linearly to its peak.
        final_learning_rate: the last step's learning rate as a share of the peak, from 0 to 1,
            reached by a cosine.
        cosine_steps: number of steps at the end in which the cosine falls; before, the learning
            rate is constant. None: all steps after the warm-up. With few, a training can be
            extended or ended early without a jump in the learning rate.
        decay_every_n_steps: replaces the cosine: multiply the learning rate by `decay` every so
            many steps after the warm-up.
        decay: the factor of `decay_every_n_steps`, in (0, 1].

    Raises:
        InputError: an impossible number.
        NonFiniteError: during training, when the loss or a parameter is NaN or infinite.
    """

    def __init__(
        self,
        generator: Generator,
        loss: PerceptualLoss,
        *,
        style: str,
        credit: str = "",
        base: str = "",
        learning_rate: float = 6e-3,
        warmup_steps: int = 20,
        final_learning_rate: float = 0.03,
        cosine_steps: int | None = None,
        decay_every_n_steps: int | None = None,
        decay: float = 0.9,
    ):
        super().__init__()
        if learning_rate <= 0 or warmup_steps < 0 or not 0 <= final_learning_rate <= 1:
            raise InputError(
                f"learning_rate={learning_rate} must be positive, warmup_steps={warmup_steps} not"
                f" negative and final_learning_rate={final_learning_rate} between 0 and 1"
            )
        if cosine_steps is not None and cosine_steps < 1:
            raise InputError(f"cosine_steps={cosine_steps} must be at least 1, or null for all")
        if (decay_every_n_steps is not None and decay_every_n_steps < 1) or not 0 < decay <= 1:
            raise InputError(
                f"decay_every_n_steps={decay_every_n_steps} must be at least 1, and decay={decay}"
                " above 0 and at most 1"
            )
        self.generator = generator
        self.loss = loss
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.final_learning_rate = final_learning_rate
        self.cosine_steps = cosine_steps
        self.decay_every_n_steps = decay_every_n_steps
        self.decay = decay
        # Plain values only, so that torch.load(weights_only=True) reads the checkpoint.
        self.save_hyperparameters(
            {
                "style": style,
                "credit": credit,
                "base": base,
                "generator": generator.config,
                "learning_rate": learning_rate,
                "warmup_steps": warmup_steps,
                "final_learning_rate": final_learning_rate,
                "cosine_steps": cosine_steps,
                "decay_every_n_steps": decay_every_n_steps,
                "decay": decay,
                "weights": loss.weights,
            }
        )
        self._batch = 0
        self.strict_loading = False  # a checkpoint lacks the loss network on purpose

    def forward(self, photo: Tensor) -> Tensor:
        """Repaint photos `(N, 3, H, W)` in [0, 1]; the result has that shape and is not clamped."""
        return self.generator(photo)

    @property
    def trained(self) -> nn.Module:
        """The module whose parameters the optimiser updates."""
        return self.generator

    def repaints(self, photo: Tensor) -> list[Tensor]:
        """The repaints of a photo `(1, 3, H, W)` for the preview."""
        return [self(photo)]

    def terms(self, photo: Tensor) -> dict[str, Tensor]:
        """The loss and its terms of a batch, see `PerceptualLoss.forward`."""
        return self.loss(self(photo), photo)

    def training_step(self, photo: Tensor, batch_idx: int) -> Tensor:
        # The offset of the generator's noise is random per batch. It is seeded by the batch number
        # alone, so that a resumed run repeats the interrupted one.
        with seeded(self._batch * self.trainer.world_size + self.trainer.global_rank):
            terms = self.terms(photo)
        self._batch += 1
        loss = terms["loss"]
        finite = bool(torch.isfinite(loss))
        # All processes stop together: the others would wait forever for one that stopped alone.
        if not self.trainer.strategy.reduce_boolean_decision(finite):
            where = " in another process" if finite else ""
            raise self._diverged(f"the loss is not finite{where}")
        self.log("loss", loss, prog_bar=True, batch_size=len(photo))
        curves = {name: value for name, value in terms.items() if name != "loss"}
        self.log_dict(curves, batch_size=len(photo))
        return loss

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.trained.parameters(), lr=self.learning_rate)
        schedule = {"scheduler": self.schedule(optimizer, self._total_steps()), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule | {"name": "learning_rate"}}

    def _total_steps(self) -> float:
        # `estimated_stepping_batches` loads the data before the step of a resumed run is known, and
        # our data depend on that step.
        max_steps = self.trainer.max_steps
        return max_steps if max_steps > 0 else self.trainer.estimated_stepping_batches

    def schedule(self, optimizer: Optimizer, total: float) -> LRScheduler:
        """The learning rate over `total` steps: warm-up, then cosine or decay.

        If `total` is infinite, the learning rate stays constant instead of the cosine.
        """
        warm = self.warmup_steps
        parts: list[LRScheduler] = []
        ends: list[int] = []
        if warm:
            parts.append(LinearLR(optimizer, 1 / warm, total_iters=warm - 1))
            ends.append(warm)
        if self.decay_every_n_steps is not None:
            parts.append(StepLR(optimizer, self.decay_every_n_steps, self.decay))
        elif math.isinf(total):
            parts.append(ConstantLR(optimizer, 1.0))
        else:
            length = max(1, min(int(total) - warm, self.cosine_steps or int(total)))
            if (start := int(total) - length) > warm:
                parts.append(ConstantLR(optimizer, 1.0))
                ends.append(start)
            lowest = self.final_learning_rate * self.learning_rate
            parts.append(CosineAnnealingLR(optimizer, length, lowest))
        return SequentialLR(optimizer, parts, ends)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        # With 16-mixed, steps are skipped until the gradient scale fits float16. The schedule
        # counts these steps, too, and torch warns about that.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
            # Older torch: SequentialLR itself calls what torch deprecates.
            warnings.filterwarnings("ignore", message="The epoch parameter in `scheduler.step")
            super().lr_scheduler_step(scheduler, metric)

    def on_train_start(self) -> None:
        self._batch = self.trainer.global_step * self.trainer.accumulate_grad_batches
        if not self.trainer.global_step:
            return
        # On resuming, rebuild the schedule, because the settings may have changed.
        for config in self.trainer.lr_scheduler_configs:
            optimizer = config.scheduler.optimizer
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] = self.learning_rate
            config.scheduler = self.schedule(optimizer, self._total_steps())
            for _ in range(self.trainer.global_step):
                self.lr_scheduler_step(config.scheduler, None)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["lr_schedulers"] = []  # see on_train_start

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **settings: Any) -> Self:
        """As Lightning's, but needs `generator=` and `loss=`, which a checkpoint does not hold.

        Raises:
            InputError: one of these is missing.
        """
        if not {"generator", "loss"} <= settings.keys():
            raise InputError(
                f"{checkpoint_path}: to read the network, use"
                " hrstyle.checkpoint.load_generator(path).generator; to resume the training,"
                " ckpt_path=; load_from_checkpoint needs generator= and loss="
            )
        return super().load_from_checkpoint(checkpoint_path, *args, **settings)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # A finite loss may have an infinite gradient. Raising here keeps the last good checkpoint.
        if not all(torch.isfinite(p).all() for p in self.trained.parameters()):
            raise self._diverged("the weights are no longer finite")
        checkpoint["state_dict"] = generator_state(checkpoint["state_dict"])

    def _diverged(self, what: str) -> NonFiniteError:
        return NonFiniteError(
            f"step {self.global_step}: {what}; most likely the learning rate"
            f" ({self.learning_rate:g}) or a loss weight is too high, or, with"
            " trainer.precision=16-mixed, float16 has overflowed (try bf16-mixed); the last"
            " checkpoint is untouched"
        )

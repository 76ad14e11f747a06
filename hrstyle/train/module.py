"""The training itself: a generator against a perceptual loss."""

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


class StyleTransfer(pl.LightningModule):
    """Trains `generator` to repaint photos so that `loss` finds them good.

    Optimiser and checkpoint hold the generator's parameters and nothing of the loss network.

    Args:
        generator: the network to train.
        loss: with its style set by the time that training begins.
        style, credit, base: kept in the checkpoint, see `hrstyle.checkpoint.Trained`.
        learning_rate: Adam's, at its height.
        warmup_steps: steps over which it rises to that.
        final_learning_rate: share of it that a cosine brings it down to by the last step.
        cosine_steps: over how many of the last steps; None: over all of them. With few, training
            for longer goes on where it was, and can be ended at any time.
        decay_every_n_steps: instead of the cosine, multiply it by `decay` every so many steps after
            the warm-up.
        decay: see there.

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
        """`(N, 3, H, W)` in [0, 1] -> the same, repainted and not clamped."""
        return self.generator(photo)

    @property
    def trained(self) -> nn.Module:
        """Whose parameters the optimiser changes."""
        return self.generator

    def repaints(self, photo: Tensor) -> list[Tensor]:
        """What to show of a photo `(1, 3, H, W)` while training: itself repainted."""
        return [self(photo)]

    def terms(self, photo: Tensor) -> dict[str, Tensor]:
        """The loss and its terms for a batch, see `PerceptualLoss.forward`."""
        return self.loss(self(photo), photo)

    def training_step(self, photo: Tensor, batch_idx: int) -> Tensor:
        # Where the generator's noise lies is drawn anew for each batch, from the batch's number
        # alone, so that a resumed run repeats the one that was cut off.
        with torch.random.fork_rng(devices=[]):
            number = self._batch * self.trainer.world_size + self.trainer.global_rank
            torch.default_generator.manual_seed(number)
            terms = self.terms(photo)
        self._batch += 1
        loss = terms["loss"]
        finite = bool(torch.isfinite(loss))
        # Of any process, or those that went well would wait for ever for the one that stopped.
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
        # Lightning would have to load the data to count them, and data that depend on the step
        # would take a resumed run for a fresh one.
        known = self.trainer.max_steps
        return known if known > 0 else self.trainer.estimated_stepping_batches

    def schedule(self, optimizer: Optimizer, total: float) -> LRScheduler:
        """The learning rate over `total` steps: warm-up, and then cosine or decay.

        Without an end (`total` infinite) there is no cosine.
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
        # With 16-mixed the first steps are left out, until their gradients fit into float16. The
        # schedule goes by the number of steps all the same, of which torch warns.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
            # Older torch: SequentialLR itself calls what torch deprecates.
            warnings.filterwarnings("ignore", message="The epoch parameter in `scheduler.step")
            super().lr_scheduler_step(scheduler, metric)

    def on_train_start(self) -> None:
        self._batch = self.trainer.global_step * self.trainer.accumulate_grad_batches
        if not self.trainer.global_step:
            return
        # The schedule follows from the step and from the settings given now, which may be others.
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
        """See Lightning; a checkpoint has neither the generator's code nor the loss, so give both.

        Raises:
            InputError: `generator` or `loss` is missing.
        """
        if not {"generator", "loss"} <= settings.keys():
            raise InputError(
                f"{checkpoint_path}: to read the network, use"
                " hrstyle.checkpoint.load_generator(path).generator; to go on with the training,"
                " ckpt_path=; load_from_checkpoint needs generator= and loss="
            )
        return super().load_from_checkpoint(checkpoint_path, *args, **settings)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # A finite loss can have had a gradient that is not; raised here, it leaves the last good
        # checkpoint alone.
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

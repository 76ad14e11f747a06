"""Training many styles at once: one network whose convolutions they share.

After Dumoulin, Shlens & Kudlur, "A Learned Representation for Artistic Style" (ICLR 2017): each
style has its own scale and shift in every norm, all else is common, so that each step serves every
style. Other than there, a style also owns the weights of the noise and the last convolution, and a
step sees one style, in rounds that are shuffled anew each time.

All of it is a thing of training: a style leaves as the weights of an ordinary generator.
"""

import copy
import csv
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hrstyle.checkpoint import fingerprint, save_weights
from hrstyle.errors import InputError
from hrstyle.generator.base import Generator
from hrstyle.images.reading import open_image, to_rgb
from hrstyle.images.tensors import to_tensor
from hrstyle.losses import PerceptualLoss
from hrstyle.losses.perceptual import Scales
from hrstyle.styles.catalogue import BASE, Style
from hrstyle.train.module import StyleTransfer


def own_parameters(generator: Generator, which: str = "all") -> list[str]:
    """Names of the parameters of which each style has its own.

    Args:
        generator: the network.
        which: `"norms"`: scale and shift of the norms, as in the paper. `"all"`: every parameter
            but the weights of the convolutions, and the last convolution whole.

    Raises:
        InputError: neither of these.
    """
    if which not in ("norms", "all"):
        raise InputError(f"own must be norms or all, not {which!r}")
    norms = {
        name for name, part in generator.named_modules() if isinstance(part, nn.InstanceNorm2d)
    }
    last = [name for name, part in generator.named_modules() if isinstance(part, nn.Conv2d)][-1]

    def owned(name: str, parameter: Tensor) -> bool:
        module = name.rpartition(".")[0]
        return module in norms or (which == "all" and (parameter.ndim < 4 or module == last))

    return [name for name, value in generator.named_parameters() if owned(name, value)]


class SharedGenerator(nn.Module):
    """A generator, and for each style its own values of some of the generator's parameters.

    Args:
        generator: the network; its own values of these are where every style starts.
        styles: their names.
        own: see `own_parameters`.
        starts: generators of some of the styles, grown from one base. What is common starts as
            their mean, which is a good network where all come from one base (Wortsman et al.,
            "Model soups", ICML 2022), and each of these styles with its own values; the others
            with the mean of those.
    """

    def __init__(
        self,
        generator: Generator,
        styles: Sequence[str],
        own: str = "all",
        starts: Mapping[str, Generator] | None = None,
    ):
        super().__init__()
        self.generator = generator
        self.own = own_parameters(generator, own)
        if starts:
            generator.load_state_dict(_mean([start.state_dict() for start in starts.values()]))
        self.styles = nn.ModuleDict(
            {
                style: nn.ParameterList(
                    start.get_parameter(name).detach().clone() for name in self.own
                )
                for style, start in ((name, (starts or {}).get(name, generator)) for name in styles)
            }
        )

    def forward(self, photo: Tensor, style: str) -> Tensor:
        """`photo` repainted in one of the styles; see `Generator.forward`."""
        return functional_call(self.generator, self._values(style), (photo,))

    def _values(self, style: str) -> dict[str, Tensor]:
        return dict(zip(self.own, self.styles[style].parameters(), strict=True))

    def _as_generator(self, values: Mapping[str, Tensor]) -> Generator:
        alone = copy.deepcopy(self.generator)
        alone.load_state_dict({**self.generator.state_dict(), **values})
        return alone.requires_grad_(False).eval()

    @torch.no_grad()
    def extract(self, style: str) -> Generator:
        """One style as a generator of its own."""
        return self._as_generator(self._values(style))

    @torch.no_grad()
    def mean(self) -> Generator:
        """The generator in the middle of all styles: where a new one starts."""
        return self._as_generator(_mean([self._values(style) for style in self.styles]))


@torch.no_grad()
def _mean(sets: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([values[name] for values in sets]).mean(0) for name in sets[0]}


class SharedStyleTransfer(StyleTransfer):
    """Trains a `SharedGenerator`. What comes out of it is the running average of its weights.

    Args:
        generator, loss: see `StyleTransfer`; the loss's style and style weight change with the
            styles.
        pictures: the styles.
        own, starts: see `SharedGenerator`.
        average: how much of the running average each step keeps.
        settings: further keywords of `StyleTransfer`.
    """

    def __init__(
        self,
        generator: Generator,
        loss: PerceptualLoss,
        *,
        pictures: Sequence[Style],
        own: str = "all",
        starts: Mapping[str, Generator] | None = None,
        average: float = 0.999,
        **settings: Any,
    ):
        super().__init__(generator, loss, **settings)
        self.pictures = {picture.name: picture for picture in pictures}
        self.shared = SharedGenerator(generator, list(self.pictures), own, starts)
        self.average = AveragedModel(self.shared, multi_avg_fn=get_ema_multi_avg_fn(average))
        self.average.requires_grad_(False)
        self.targets = {name: loss.style_targets(x.load()) for name, x in self.pictures.items()}
        self._photo: tuple[Tensor, Scales] | None = None
        self._averaged_at = 0

    @property
    def trained(self) -> nn.Module:
        return self.shared

    @property
    def result(self) -> SharedGenerator:
        """The averaged weights."""
        module = self.average.module
        assert isinstance(module, SharedGenerator)
        return module

    def repaints(self, photo: Tensor) -> list[Tensor]:
        return [self.average(photo, style) for style in self.pictures]

    def style_of_step(self, number: int) -> str:
        """The style of step `number`: a round takes each once, in an order of its own."""
        names = list(self.pictures)
        turn, place = divmod(number, len(names))
        return names[_order_of_round(turn, len(names))[place]]

    def set_target_style(self, style: str) -> None:
        """Make that style the one that the loss looks at."""
        self.loss.set_style(
            {name: target.to(self.device) for name, target in self.targets[style].items()}
        )
        self.loss.style_weight = self.pictures[style].style_weight

    def terms(self, photo: Tensor) -> dict[str, Tensor]:
        style = self.style_of_step(self._batch)
        self.set_target_style(style)
        # The data give the same crops several times on end (`repeat`).
        if self._photo is None or not torch.equal(self._photo[0], photo):
            self._photo = photo, self.loss.photo_features(photo)
        return self.loss(self.shared(photo, style), self._photo[1])

    def on_train_start(self) -> None:
        super().on_train_start()
        self._averaged_at = self.trainer.global_step

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        if self.trainer.global_step == self._averaged_at:
            return  # in the middle of a step of several batches
        self._averaged_at = self.trainer.global_step
        self.average.update_parameters(self.shared)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        whole = checkpoint["state_dict"]
        super().on_save_checkpoint(checkpoint)
        kept = ("shared.", "average.")
        checkpoint["state_dict"] |= {k: v for k, v in whole.items() if k.startswith(kept)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        first = f"shared.styles.{next(iter(self.pictures))}."
        owned = sum(key.startswith(first) for key in checkpoint["state_dict"])
        if owned != len(self.shared.own):
            raise InputError(
                f"the checkpoint's styles have {owned} parameters of their own, and with this"
                f" module.own they have {len(self.shared.own)}; give the same module.own again"
            )

    def save_styles(self, folder: Path) -> list[Path]:
        """Write every style, and their mean to start new ones from, as files to share.

        The base that they have in common is the one of what they started from, where they did, or
        this mean.
        """
        base = self.result.mean()
        common = self.hparams["base"] or fingerprint(base)
        save_weights(folder / f"{BASE}.safetensors", base, style=BASE, base=self.hparams["base"])
        paths = []
        for name, picture in self.pictures.items():
            paths.append(folder / f"{name}.safetensors")
            known = {"style": name, "credit": picture.credit, "base": common}
            save_weights(paths[-1], self.result.extract(name), **known)
        return paths


@cache
def _order_of_round(turn: int, count: int) -> list[int]:
    return np.random.default_rng(turn).permutation(count).tolist()


class ValidationCurve(Callback):
    """Every few steps, what the loss makes of photos that are not trained on, style by style.

    Goes to `curve.csv` in the run's folder, and to the logger as `judged/<style>`.

    Args:
        photos: picture files.
        folder: where `curve.csv` goes.
        every_n_steps: how often.
        size: length of the photos' longer side in pixels. Thumbnails mislead: at 256 px J rose
            while it fell at 512, where things are as large as in the crops (scripts/README.md).
    """

    def __init__(
        self, photos: Sequence[Path], *, folder: Path, every_n_steps: int, size: int = 512
    ):
        self.photos = []
        for path in photos:
            photo = to_rgb(open_image(path, at_least=2 * size))
            photo.thumbnail((size, size))
            self.photos.append(to_tensor(photo))
        self.path = folder / "curve.csv"
        self.every_n_steps = every_n_steps
        self.measured_at = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.measured_at = trainer.global_step

    @rank_zero_only
    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, *args: Any, **kwargs: Any
    ) -> None:
        step = trainer.global_step
        if step % self.every_n_steps or step == self.measured_at:  # not per accumulated batch
            return
        self.measured_at = step
        pl_module.eval()
        photos = [photo.to(pl_module.device) for photo in self.photos]
        content = [pl_module.loss.photo_features(photo) for photo in photos]
        rows = []
        for style in pl_module.pictures:
            pl_module.set_target_style(style)
            measured = [
                pl_module.loss(pl_module.average(photo, style).clamp(0, 1), features)
                for photo, features in zip(photos, content, strict=True)
            ]
            means = {
                term: torch.stack([terms[term] for terms in judged]).mean().item()
                for term in measured[0]
            }
            rows.append([step, style, *(f"{mean:.4f}" for mean in means.values())])
            pl_module.logger.log_metrics({f"judged/{style}": means["loss"]}, step)
        pl_module.train()
        fresh = not self.path.is_file()
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([["step", "style", *means]] if fresh else [])
            writer.writerows(rows)

"""Training several styles in one network that shares its convolutions between them.

After Dumoulin, Shlens & Kudlur, "A Learned Representation for Artistic Style" (ICLR 2017): each
style has its own scale and shift in every norm, and all other parameters are shared. Two things
differ from the paper. Each style also has its own biases, noise weights and last convolution. And
each step trains one style: every round of steps takes all styles once, in a new random order.

After training, each style is saved as the weights of an ordinary generator.
"""

import copy
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hrstyle.checkpoint import fingerprint, save_weights
from hrstyle.errors import InputError
from hrstyle.generator.base import Generator
from hrstyle.generator.colours import match_colours
from hrstyle.losses import PerceptualLoss
from hrstyle.losses.perceptual import FeaturesByScale
from hrstyle.styles.catalogue import Style
from hrstyle.styles.trained import BASE
from hrstyle.train.module import StyleTransfer


def own_parameters(generator: Generator, which: str = "all") -> list[str]:
    """Names of the parameters that are separate for each style.

    Args:
        generator: the network.
        which: `"norms"`: scale and shift of the norms, as in the paper. `"all"`: these, the biases,
            the noise weights, and the weights of the last convolution.

    Raises:
        InputError: another value.
    """
    if which not in ("norms", "all"):
        raise InputError(f"own must be norms or all, not {which!r}")
    norms = {
        name for name, part in generator.named_modules() if isinstance(part, nn.InstanceNorm2d)
    }
    convolutions = [n for n, part in generator.named_modules() if isinstance(part, nn.Conv2d)]

    def owned(name: str, parameter: Tensor) -> bool:
        module = name.rpartition(".")[0]
        return module in norms or (
            which == "all" and (parameter.ndim < 4 or module in convolutions[-1:])
        )

    return [name for name, value in generator.named_parameters() if owned(name, value)]


class SharedGenerator(nn.Module):
    """A generator in which some parameters have separate values for each style.

    Args:
        generator: the network; its parameters are the initial values for every style.
        styles: names of the styles.
        own: which parameters are separate, see `own_parameters`.
        starts: generators of some of the styles, all trained from one base. If given, the shared
            parameters start as the mean over these generators, which is a good network because of
            the common base (Wortsman et al., "Model soups", ICML 2022). A style in `starts` gets
            its separate parameters from its own generator, any other style from the mean.
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
        """Repaint `photo` in one of the styles; see `Generator.forward`."""
        return functional_call(self.generator, self._values(style), (photo,))

    def _values(self, style: str) -> dict[str, Tensor]:
        return dict(zip(self.own, self.styles[style].parameters(), strict=True))

    def _as_generator(self, values: Mapping[str, Tensor]) -> Generator:
        generator = copy.deepcopy(self.generator)
        generator.load_state_dict({**self.generator.state_dict(), **values})
        return generator.requires_grad_(False).eval()

    @torch.no_grad()
    def extract(self, style: str) -> Generator:
        """One style as an ordinary generator."""
        return self._as_generator(self._values(style))

    @torch.no_grad()
    def mean(self) -> Generator:
        """The generator with the mean of all styles' parameters; a new style starts from it."""
        return self._as_generator(_mean([self._values(style) for style in self.styles]))


@torch.no_grad()
def _mean(sets: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([values[name] for values in sets]).mean(0) for name in sets[0]}


class SharedStyleTransfer(StyleTransfer):
    """Trains a `SharedGenerator`; its results are the exponential moving average of the weights.

    Args:
        generator, loss: see `StyleTransfer`; each step sets the loss's style and style weight.
        pictures: the styles.
        own, starts: see `SharedGenerator`.
        average: decay of the moving average per step, from 0 to 1.
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
        self.targets = {
            name: loss.style_targets(*x.load_all()) for name, x in self.pictures.items()
        }
        self._style_weight = loss.style_weight
        self._photo: tuple[Tensor, FeaturesByScale] | None = None
        self._averaged_at = 0

    @property
    def trained(self) -> nn.Module:
        return self.shared

    @property
    def result(self) -> SharedGenerator:
        """The generator with the averaged weights."""
        module = self.average.module
        assert isinstance(module, SharedGenerator)
        return module

    def repaints(self, photo: Tensor) -> list[Tensor]:
        return [self.average(photo, style) for style in self.pictures]

    def style_of_batch(self, number: int) -> str:
        """The style of batch `number`: each round takes every style once, in a random order."""
        names = list(self.pictures)
        turn, place = divmod(number, len(names))
        return names[_order_of_round(turn, len(names))[place]]

    def set_target_style(self, style: str) -> None:
        """Set the loss to this style, and its style weight to the set's times the style's."""
        self.loss.set_style(
            {name: target.to(self.device) for name, target in self.targets[style].items()}
        )
        self.loss.style_weight = self._style_weight * self.pictures[style].style_weight

    def terms(self, photo: Tensor) -> dict[str, Tensor]:
        style = self.style_of_batch(self._batch)
        self.set_target_style(style)
        # The data give the same crops several times in a row, see `PhotoData.repeat`.
        if self._photo is None or not torch.equal(self._photo[0], photo):
            self._photo = photo, self.loss.photo_features(photo)
        return self.loss(self.shared(photo, style), self._photo[1])

    def on_train_start(self) -> None:
        super().on_train_start()
        self._averaged_at = self.trainer.global_step

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        if self.trainer.global_step == self._averaged_at:
            return  # gradients of further batches are still being accumulated
        self._averaged_at = self.trainer.global_step
        self.average.update_parameters(self.shared)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        complete = checkpoint["state_dict"]
        super().on_save_checkpoint(checkpoint)
        prefixes = ("shared.", "average.")
        checkpoint["state_dict"] |= {k: v for k, v in complete.items() if k.startswith(prefixes)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        first = f"shared.styles.{next(iter(self.pictures))}."
        owned = sum(key.startswith(first) for key in checkpoint["state_dict"])
        if owned != len(self.shared.own):
            raise InputError(
                f"the checkpoint's styles have {owned} separate parameters each, but this"
                f" module.own gives {len(self.shared.own)}; give the same module.own as before"
            )

    def save_styles(self, folder: Path, photos: Sequence[Tensor] = ()) -> list[Path]:
        """Write a weights file for every style, and one for their mean, `base.safetensors`.

        With `photos`, each style gets its painting's colours, see `hrstyle.generator.colours`.

        The base recorded in the styles' files is the one that the training started from, or else
        this mean.
        """
        base = self.result.mean()
        common = self.hparams["base"] or fingerprint(base)
        save_weights(folder / f"{BASE}.safetensors", base, style=BASE, base=self.hparams["base"])
        paths = []
        for name, picture in self.pictures.items():
            paths.append(folder / f"{name}.safetensors")
            metadata = {"style": name, "credit": picture.credit, "base": common}
            generator = self.result.extract(name)
            save_weights(
                paths[-1], generator, **metadata
            )  # first, so that nothing below loses them
            if photos:
                weight = self._style_weight * picture.style_weight
                match_colours(generator, photos, picture.load_all(), style_weight=weight)
                save_weights(paths[-1], generator, **metadata)
        return paths


@cache
def _order_of_round(turn: int, count: int) -> list[int]:
    return np.random.default_rng(turn).permutation(count).tolist()

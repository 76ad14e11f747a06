"""Mixtures of styles: weighted means of their networks' weights.

This works for networks that were trained from one common base. Their weights lie so close together
that a weighted mean of them paints as well as they do: Wang et al., "Deep Network Interpolation for
Continuous Imagery Effect Transition" (CVPR 2019). It does not work for networks that were trained
from different starting points.
"""

import math
import os
from collections.abc import Mapping, Sequence
from numbers import Real

import torch

from hrstyle.checkpoint import Trained, fingerprint, from_config, load_source
from hrstyle.errors import InputError
from hrstyle.generator.base import Generator


def interpolate(generators: Sequence[Generator], shares: Sequence[float]) -> Generator:
    """The generator whose weights are the sum of all generators' weights, each times its share.

    The generators must have the same `config`; they are not changed. The result is float32, on the
    CPU, in eval mode.
    """
    states = [generator.state_dict() for generator in generators]
    mixed = from_config(generators[0].config)
    mixed.load_state_dict(
        {
            key: sum(
                share * state[key].to("cpu", torch.float32)
                for share, state in zip(shares, states, strict=True)
            )
            for key in states[0]
        }
    )
    return mixed.requires_grad_(False).eval()


def mix(shares: Mapping[str, float]) -> Trained:
    """One network that mixes several styles.

    Args:
        shares: the share of each style, by a bundled style's name or a file's path. The shares are
            divided by their sum.

    Raises:
        InputError: no styles, a negative share, only shares of 0, or styles without a common base.
    """
    numbers = all(isinstance(share, Real) for share in shares.values())
    total = sum(shares.values()) if numbers else 0
    if total == 0 or min(shares.values()) < 0 or not math.isfinite(total):
        raise InputError(
            f"a mixture needs a share of at least 0 for each style, and not all 0: {dict(shares)}"
        )
    parts = {source: load_source(source) for source in shares}
    bases = {name: part.base or fingerprint(part.generator) for name, part in parts.items()}
    if len(set(bases.values())) > 1:
        found = ", ".join(f"{name}: {base}" for name, base in bases.items())
        raise InputError(
            f"only styles that were trained from one common base can be mixed ({found}); train them"
            " with init=base"
        )
    config = next(iter(parts.values())).generator.config
    if any(part.generator.config != config for part in parts.values()):
        raise InputError(f"only generators of one kind can be mixed: {', '.join(parts)}")
    credits = [part.credit for part in parts.values() if part.credit]
    return Trained(
        generator=interpolate(
            [part.generator for part in parts.values()], [x / total for x in shares.values()]
        ),
        style=" + ".join(part.style for part in parts.values()),
        credit="; ".join(credits),
        base=next(iter(bases.values())),
    )


def load_style(
    source: str | os.PathLike[str] | Mapping[str, float],
) -> Trained:
    """Load a style by its name or path (`load_source`), or a mixture of several (`mix`)."""
    return mix(source) if isinstance(source, Mapping) else load_source(source)

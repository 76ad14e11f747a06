"""Mixtures of styles, by arithmetic on weights.

Networks trained from one common base lie so close together that a straight line between the weights
of two passes through networks that paint as well: Wang et al., "Deep Network Interpolation for
Continuous Imagery Effect Transition" (CVPR 2019). Networks trained apart do not.
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
    """The generator whose weights are the sum of theirs, each times its share.

    All have the same `config`, and are left as they are. The result is float32, on the CPU.
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
    """One network of several styles.

    Args:
        shares: how much of each style; the name of a bundled one, or the path of a file. They are
            brought to a sum of one.

    Raises:
        InputError: no styles, a negative share, or styles that have no base in common, whatever
            their files say.
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
    known = [part.credit for part in parts.values() if part.credit]
    return Trained(
        generator=interpolate(
            [part.generator for part in parts.values()], [x / total for x in shares.values()]
        ),
        style=" + ".join(part.style for part in parts.values()),
        credit="; ".join(known),
        base=next(iter(bases.values())),
    )


def load_style(
    source: str | os.PathLike[str] | Mapping[str, float],
) -> Trained:
    """A style by its name or path, see `load_source`, or a mixture of several, see `mix`."""
    return mix(source) if isinstance(source, Mapping) else load_source(source)

"""Which walks down a picture compute a generator's InstanceNorms exactly in bounded memory.

A norm's statistics can be measured once all norms before it are known. So the norms are taken in
waves, a *sweep* over the picture for each, and a last sweep paints. Between sweeps, layers that
later ones can start from are kept, as far as a budget goes; what is not kept is computed again, if
need be from the picture.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hrstyle.engine.layers import Layer


@dataclass
class Sweep:
    """One walk down the picture.

    Args:
        norms: whose statistics it measures.
        targets: the layers whose every row it computes: the inputs of the norms and what is kept.
        known: what was kept for it.
        keep: what it keeps for the next one.
        layers: all that it computes or reads, in order.
    """

    norms: list[Layer]
    targets: list[Layer]
    known: list[Layer]
    keep: list[Layer]
    layers: list[Layer]

    @property
    def multiply_adds(self) -> float:
        """For a pixel of the picture."""
        return sum(layer.multiply_adds() for layer in self.layers if layer not in self.known)


def total_multiply_adds(sweeps: Iterable[Sweep]) -> float:
    """Of all sweeps, for a pixel of the picture."""
    return sum(sweep.multiply_adds for sweep in sweeps)


def _ancestors(targets: Iterable[Layer], known: Iterable[Layer]) -> set[Layer]:
    """The targets and all that they are computed from, back to the known layers, these included."""
    stop, seen, stack = set(known), set(), list(targets)
    while stack:
        layer = stack.pop()
        if layer not in seen:
            seen.add(layer)
            if layer not in stop:
                stack += layer.inputs
    return seen


def plan(layers: Sequence[Layer], *, pixels: int, budget: float, itemsize: int) -> list[Sweep]:
    """The sweeps that measure every norm, and the last one that paints.

    Args:
        layers: as `read_layers` gives them.
        pixels: of the padded picture, times the number of pictures.
        budget: bytes that kept tensors may fill.
        itemsize: bytes of a kept value.
    """

    def size(layer: Layer) -> float:
        return layer.channels * pixels / layer.stride**2 * itemsize

    sweeps: list[Sweep] = []
    kept: list[Layer] = []
    todo = [layer for layer in layers if layer.kind == "norm"]
    while todo:
        unknown: set[Layer] = set()
        for layer in layers:
            if layer in todo or not unknown.isdisjoint(layer.inputs):
                unknown.add(layer)
        ready = [norm for norm in todo if unknown.isdisjoint(norm.inputs)]
        # What later sweeps can start from: known layers that unknown ones read.
        border = {i for layer in unknown for i in layer.inputs if i not in unknown and i.inputs}
        todo = [n for n in todo if n not in ready]
        later = [layers[-1], *(n.inputs[0] for n in todo)]
        known, kept = kept, _choose(border, kept, later, size, budget)
        targets = list(dict.fromkeys([*(n.inputs[0] for n in ready), *kept]))
        wanted = _ancestors(targets, known)
        sweeps.append(Sweep(ready, targets, known, kept, [x for x in layers if x in wanted]))
    wanted = _ancestors([layers[-1]], kept)
    return [*sweeps, Sweep([], [layers[-1]], kept, [], [x for x in layers if x in wanted])]


def _choose(
    border: set[Layer],
    kept: Sequence[Layer],
    later: Sequence[Layer],
    size: Callable[[Layer], float],
    budget: float,
) -> list[Layer]:
    """Which of `border` and of what was kept so far to keep, coarse layers first.

    A coarse layer holds the most work in the fewest bytes; of one resolution the larger layer goes
    first, because it is the block's input, from which the smaller one inside is soon made again.
    What `later` does not need is dropped.
    """
    candidates = [*sorted(border, key=lambda x: (-size(x), x.kind)), *kept]
    candidates = sorted(dict.fromkeys(candidates), key=lambda x: -x.stride)  # stable
    while True:
        chosen: list[Layer] = []
        free = budget
        for layer in candidates:
            if size(layer) <= free and layer in _ancestors(later, chosen):
                chosen.append(layer)
                free -= size(layer)
        used = [layer for layer in chosen if layer in _ancestors(later, chosen)]
        if used == chosen:
            return chosen
        candidates = [layer for layer in candidates if layer in used or layer not in chosen]


def memory_of_pass(layers: Sequence[Layer], *, pixels: int, itemsize: int) -> float:
    """Estimate of the bytes that a pass takes which is not streamed."""
    # Measured at 1024x1024 px, where the layers take 134 MB: PyTorch 223, OpenVINO 264.
    return 2 * memory_of_plain_pass(layers, pixels=pixels, itemsize=itemsize)


def memory_of_plain_pass(layers: Sequence[Layer], *, pixels: int, itemsize: int) -> float:
    """Estimate of the bytes that `generator(picture)` allocates, layer after layer."""

    def size(layer: Layer) -> float:
        return layer.channels * pixels / layer.stride**2 * itemsize

    last_use = {i: number for number, layer in enumerate(layers) for i in layer.inputs}
    alive: set[Layer] = set()
    peak = 0.0
    for number, layer in enumerate(layers):
        mirrors = layer.kind == "conv" and layer.settings["mirrored"]
        copies = size(layer.inputs[0]) if mirrors else 0
        alive.add(layer)
        peak = max(peak, copies + sum(map(size, alive)))
        alive = {x for x in alive if last_use.get(x, number + 1) > number}
    return peak

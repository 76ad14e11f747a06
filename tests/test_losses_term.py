import pytest
import torch

from hrstyle.errors import InputError
from hrstyle.losses import (
    ColourLayout,
    Content,
    Gram,
    Moments,
    SelfSimilarity,
    TotalVariation,
    Transport,
)

TERMS = [ColourLayout, Content, Gram, Moments, SelfSimilarity, TotalVariation, Transport]


@pytest.mark.parametrize("kind", TERMS)
def test_names_in_logs_tell_the_scale(kind):
    names = [kind(1.0, scale=scale).log_name for scale in (1, 2, 3, 4)]
    assert names == [kind.name + end for end in ("", "_half", "_3", "_quarter")]


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf")])
@pytest.mark.parametrize("kind", TERMS)
def test_impossible_weights_are_named(kind, weight):
    with pytest.raises(InputError, match=f"{kind.name}: weight={weight} must be"):
        kind(weight)


def test_layers_must_be_named_once_and_a_scale_be_1_or_more():
    for layers in ([], ["relu1_1", "relu1_1"]):
        with pytest.raises(InputError, match="must name layers, none twice"):
            Moments(layers=layers)
    with pytest.raises(InputError, match="moments: scale=0 must be at least 1"):
        Moments(scale=0)


def test_the_blend_of_targets_is_their_weighted_mean():
    one, other = torch.rand(1, 3, 3), torch.rand(1, 3, 3)
    blended = Moments().blend([one, other], [0.75, 0.25])
    torch.testing.assert_close(blended, 0.75 * one + 0.25 * other)


@pytest.mark.parametrize("kind", [Gram, Moments, Transport])
def test_style_terms_own_their_targets(kind):
    features = torch.rand(1, 4, 5, 5)
    term = kind(1.0, ["layer"])
    targets = term.targets({"layer": features})
    term.set_targets(targets)
    assert dict(term.named_buffers()).keys() == targets.keys()
    assert not term.state_dict()  # a checkpoint does without the painting
    moved = term.to(torch.float64)
    assert all(buffer.dtype == torch.float64 for buffer in moved.buffers())

import numpy as np
import pytest
import torch

import hrstyle
from hrstyle.checkpoint import fingerprint, from_config, load_generator, save_weights
from hrstyle.errors import InputError
from hrstyle.mixing import interpolate, mix


def grown_from(generator, seed):
    """Another network near it, as training would give."""
    torch.manual_seed(seed)
    grown = from_config(generator.config)
    grown.load_state_dict(generator.state_dict())
    with torch.no_grad():
        for parameter in grown.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    return grown


@pytest.fixture
def files(tiny, tmp_path):
    """Two styles of one base, and one of none."""
    for seed, (name, base) in enumerate([("a", "0123"), ("b", "0123"), ("c", "")]):
        path = tmp_path / f"{name}.safetensors"
        save_weights(path, grown_from(tiny, seed), style=name, credit=name.upper(), base=base)
    return tmp_path


def test_interpolation_is_a_weighted_sum(tiny):
    other = grown_from(tiny, 1)
    mixed = interpolate([tiny, other], [0.25, 0.75]).state_dict()
    for key, value in tiny.state_dict().items():
        torch.testing.assert_close(mixed[key], 0.25 * value + 0.75 * other.state_dict()[key])


def test_interpolation_takes_any_type_and_changes_nothing(tiny):
    short = from_config(tiny.config).bfloat16()
    before = {key: value.clone() for key, value in short.state_dict().items()}
    mixed = interpolate([tiny, short], [0.5, 0.5])
    assert mixed.dtype == torch.float32
    assert not mixed.training
    assert all(torch.equal(before[key], value) for key, value in short.state_dict().items())


@pytest.mark.slow
def test_a_mixture_is_the_weighted_mean_of_the_weights(files):
    a, b = str(files / "a.safetensors"), str(files / "b.safetensors")
    mixed = mix({a: 1, b: 3})
    assert (mixed.style, mixed.credit, mixed.base) == ("a + b", "A; B", "0123")
    parts = [load_generator(path).generator for path in (a, b)]
    expected = interpolate(parts, [0.25, 0.75])
    assert fingerprint(mixed.generator) == fingerprint(expected)
    assert fingerprint(mix({a: 2}).generator) == fingerprint(parts[0])
    assert hrstyle.load({a: 1, b: 3}, device="cpu").style == "a + b"


def test_styles_without_a_common_base_cannot_be_mixed(files):
    a, c = str(files / "a.safetensors"), str(files / "c.safetensors")
    with pytest.raises(
        InputError, match="one common base.*a.safetensors: 0123, .*c.safetensors: .*init=base"
    ):
        mix({a: 1, c: 1})
    assert mix({c: 1}).style == "c"


def test_a_network_can_be_mixed_with_what_was_grown_from_it(tiny, tmp_path):
    paths = [str(tmp_path / name) for name in ("root.safetensors", "leaf.safetensors")]
    save_weights(paths[0], tiny, style="root")
    save_weights(paths[1], grown_from(tiny, 1), style="leaf", base=fingerprint(tiny))
    assert mix(dict.fromkeys(paths, 1)).base == fingerprint(tiny)


@pytest.mark.parametrize(
    "shares", [{}, {"a": 0}, {"a": -1, "b": 2}, {"a": float("nan")}, {"a": "1"}]
)
def test_shares_must_make_sense(shares):
    with pytest.raises(InputError, match="mixture needs a share"):
        mix(shares)


def test_files_that_only_claim_a_common_base(tiny, tmp_path):
    other = from_config({"name": "pyramid", "channels": [4, 8, 9], "blocks": [1, 1]})
    paths = [str(tmp_path / name) for name in ("a.safetensors", "b.safetensors")]
    for path, generator in zip(paths, (tiny, other), strict=True):
        save_weights(path, generator, style="a", base="0123")
    with pytest.raises(InputError, match="only generators of one kind .*a.safetensors, .*b.safe"):
        mix(dict.fromkeys(paths, 1))


def test_shares_may_be_numpys(files):
    a, b = str(files / "a.safetensors"), str(files / "b.safetensors")
    mixed = mix({a: np.float32(1), b: np.int64(3)})
    assert fingerprint(mixed.generator) == fingerprint(mix({a: 1, b: 3}).generator)

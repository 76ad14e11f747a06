import json

import pytest
import torch
from safetensors.torch import load_file

from hrstyle.checkpoint import (
    fingerprint,
    from_config,
    generator_state,
    load_generator,
    save_weights,
)
from hrstyle.errors import InputError
from hrstyle.generator import Generator, paper, pyramid


def test_weights_file_round_trip(tiny, weights_file):
    trained = load_generator(weights_file)
    generator = trained.generator
    assert (trained.style, trained.credit, trained.base) == ("tiny", "Someone, 1900", "0123")
    assert generator.config == tiny.config
    assert not generator.training
    for key, value in tiny.state_dict().items():
        assert torch.equal(generator.state_dict()[key], value.half().float()), key


def test_weights_file_is_small_and_says_what_it_is(weights_file):
    assert {value.dtype for value in load_file(weights_file).values()} == {torch.float16}
    header = json.loads(weights_file.read_bytes()[8:].split(b"}}")[0] + b"}}")["__metadata__"]
    assert header["style"] == "tiny"
    assert json.loads(header["generator"])["name"] == "pyramid"


def test_rounding_to_float16_hardly_moves_the_picture(tiny, weights_file):
    picture = torch.rand(1, 3, 40, 40)
    difference = load_generator(weights_file).generator(picture) - tiny(picture)
    assert difference.abs().max() < 1.5 / 255


def test_a_lightning_checkpoint_is_read_as_weights(tiny, tmp_path):
    path = tmp_path / "last.ckpt"
    state = {f"generator.{key}": value for key, value in tiny.state_dict().items()}
    hparams = {"generator": tiny.config, "style": "tiny"}
    torch.save({"state_dict": state, "hyper_parameters": hparams}, path)
    trained = load_generator(path)
    picture = torch.rand(1, 3, 20, 20)
    assert (trained.style, trained.base) == ("tiny", "")
    assert torch.equal(trained.generator(picture), tiny(picture))


def test_fingerprint_tells_weights_apart(tiny, weights_file):
    before = fingerprint(tiny)
    assert len(before) == 16
    # A file rounds the weights; they are still the same ones.
    assert fingerprint(load_generator(weights_file).generator) == before
    with torch.no_grad():
        tiny.to_rgb.bias[0] += 0.01
    assert fingerprint(tiny) != before


def test_generator_state_leaves_the_rest_out():
    state = {"generator.stem": torch.zeros(1), "loss.vgg": torch.zeros(1)}
    assert list(generator_state(state)) == ["generator.stem"]


def test_a_folder_that_is_not_there_is_an_input_error(tiny, tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        save_weights(tmp_path / "nowhere" / "x.safetensors", tiny, style="x")


@pytest.mark.parametrize(
    "generator", [paper(), pyramid(), pyramid(channels=(4, 6, 8), blocks=(0, 2))]
)
def test_config_rebuilds_the_generator(generator):
    again = from_config(generator.config)
    again.load_state_dict(generator.state_dict())
    again.eval()
    generator.eval()
    picture = torch.rand(1, 3, 16, 16)
    assert isinstance(again, Generator)
    assert torch.equal(again(picture), generator(picture))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"name": "johnson"},
        {"name": "pyramid", "depth": 3},
        {"name": "paper", "channels": [1, 2]},
        {"name": "pyramid", "channels": [16, 32], "blocks": [1, 2]},
        {"name": "pyramid", "channels": [1, 1], "blocks": [1]},
    ],
)
def test_a_config_that_does_not_fit_is_an_input_error(config):
    with pytest.raises(InputError, match="generator"):
        from_config(config)

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hrstyle.checkpoint import fingerprint, generator_state, load_generator, save_weights
from hrstyle.errors import InputError


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


def test_lightning_checkpoint(tiny, tmp_path):
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


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_loading_never_executes_code(tmp_path):
    proof = tmp_path / "executed"
    torch.save({"state_dict": Trap(proof)}, tmp_path / "trap.ckpt")
    (tmp_path / "trap.pkl").write_bytes(pickle.dumps(Trap(proof)))
    for name in ("trap.ckpt", "trap.pkl"):
        with pytest.raises(InputError, match=name):
            load_generator(tmp_path / name)
    assert not proof.exists()


def test_damaged_and_foreign_files(tiny, weights_file, tmp_path):
    whole = weights_file.read_bytes()
    damaged = {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=name):
            load_generator(tmp_path / name)
    with pytest.raises(InputError, match="gone"):
        load_generator(tmp_path / "gone")
    with pytest.raises(InputError, match="cannot read"):
        load_generator(tmp_path)

    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(1)}, foreign)
    with pytest.raises(InputError, match="not written by hrstyle"):
        load_generator(foreign)
    misfit = {"format": "hrstyle 1", "style": "x", "generator": json.dumps(tiny.config)}
    save_file({"weight": torch.zeros(1)}, foreign, metadata=misfit)
    with pytest.raises(InputError, match="do not fit"):
        load_generator(foreign)
    save_file({"weight": torch.zeros(1)}, foreign, metadata=misfit | {"generator": "{"})
    with pytest.raises(InputError, match="damaged"):
        load_generator(foreign)
    nameless = {key: value for key, value in misfit.items() if key != "style"}
    save_file({"weight": torch.zeros(1)}, foreign, metadata=nameless)
    with pytest.raises(InputError, match="damaged"):
        load_generator(foreign)
    save_file({"weight": torch.zeros(1)}, foreign, metadata=misfit | {"generator": "[]"})
    with pytest.raises(InputError, match="unknown generator"):
        load_generator(foreign)
    save_file({"weight": torch.zeros(1)}, foreign, metadata=misfit | {"generator": '{"name": []}'})
    with pytest.raises(InputError, match=r"foreign\.safetensors: unknown generator"):
        load_generator(foreign)
    torch.save({"weight": torch.zeros(1)}, tmp_path / "foreign.ckpt")
    with pytest.raises(InputError, match=r"not a checkpoint of hrstyle\.train"):
        load_generator(tmp_path / "foreign.ckpt")
    checkpoint = (tmp_path / "foreign.ckpt").read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(checkpoint[: len(checkpoint) // 2])
    with pytest.raises(InputError, match=r"cut\.ckpt"):
        load_generator(tmp_path / "cut.ckpt")


def test_every_damaged_byte_is_an_input_error_or_loads(tiny, tmp_path):
    path = tmp_path / "last.ckpt"
    hparams = {"generator": tiny.config, "style": "tiny"}
    torch.save({"state_dict": {"generator.x": torch.zeros(1)}, "hyper_parameters": hparams}, path)
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(InputError):  # intact or not: these weights fit no generator
            load_generator(path)


def test_unwritable_folder(tiny, tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        save_weights(tmp_path / "nowhere" / "x.safetensors", tiny, style="x")

"""Broken and malicious weights: one sentence, no memory taken, nothing executed."""

import json
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hrstyle.checkpoint import _check_archive, load_generator
from hrstyle.errors import InputError
from hrstyle.generator import pyramid


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


def test_damaged_and_foreign_files_are_named(tiny, weights_file, tmp_path):
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


@pytest.mark.slow
def test_a_checkpoint_with_a_damaged_byte_is_an_input_error(tiny, tmp_path):
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


HUGE = 10**12


def weights_claiming(path, config, tensors, *, header=None, **metadata):
    """A .safetensors file of these settings and tensors, `header` laid over its own header."""
    known = {"format": "hrstyle 1", "style": "x", "generator": json.dumps(config)} | metadata
    save_file(tensors, path, metadata=known)
    if header:
        whole = path.read_bytes()
        (length,) = struct.unpack("<Q", whole[:8])
        claimed = json.dumps(json.loads(whole[8 : 8 + length]) | header).encode()
        path.write_bytes(struct.pack("<Q", len(claimed)) + claimed + whole[8 + length :])


def half(generator):
    return {key: value.half() for key, value in generator.state_dict().items()}


def checkpoint_claiming(path, pickled, *, compression=zipfile.ZIP_STORED):
    """A checkpoint whose pickle is this text of opcodes."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/data/0", bytes(64))


def call(function, *arguments):
    """The opcodes of a call with these numbers."""
    numbers = b"".join(b"I%d\n" % x for x in arguments)
    return b"\x80\x02c" + function.replace(" ", "\n").encode() + b"\n(" + numbers + b"tR."


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(tiny, tmp_path, value):
    state = tiny.state_dict()
    state["to_rgb.bias"][1] = value
    weights_claiming(tmp_path / "nan.safetensors", tiny.config, half(tiny))
    saved = {"generator." + key: part for key, part in state.items()}
    hparams = {"generator": tiny.config, "style": "x"}
    torch.save({"state_dict": saved, "hyper_parameters": hparams}, tmp_path / "nan.ckpt")
    for name in ("nan.safetensors", "nan.ckpt"):
        with pytest.raises(InputError, match=rf"{name} holds weights that are not finite"):
            load_generator(tmp_path / name)


PYRAMID = {"name": "pyramid"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "message"),
    [
        (PYRAMID | {"channels": [10**6], "blocks": []}, r"channels=\[1000000\]"),
        (PYRAMID | {"channels": [10**6, 10**6], "blocks": [1]}, "from 2 to 4096"),
        (PYRAMID | {"channels": [4096] * 8, "blocks": [32] * 7}, "do not fit"),
        (PYRAMID | {"channels": [2, 2], "blocks": [10**9]}, r"blocks \(0 to 32\)"),
        (PYRAMID | {"channels": [2] * 10**5, "blocks": [1] * (10**5 - 1)}, "2 to 8 numbers"),
        (PYRAMID | {"channels": [4.5, 8, 8], "blocks": [1, 1]}, "does not take these settings"),
        (PYRAMID | {"channels": ["4", "8"], "blocks": [1]}, "does not take these settings"),
        (PYRAMID | {"channels": None, "blocks": None}, "does not take these settings"),
        (PYRAMID | {"colour": "red"}, "does not take these settings: {'colour': 'red'}"),
        ({"name": "paper", "channels": [4, 8]}, "does not take these settings"),
        ({"name": "x" * 10**6}, "unknown generator"),
        (None, "unknown generator"),
    ],
)
def test_impossible_settings_are_one_short_sentence(tiny, tmp_path, config, message):
    path = tmp_path / "x.safetensors"
    weights_claiming(path, config, half(tiny))
    with pytest.raises(InputError, match=message) as refused:
        load_generator(path)
    text = str(refused.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert len(text) < len(str(path)) + 400


def test_weights_of_other_shapes_and_types_are_refused(tiny, tmp_path):
    path = tmp_path / "x.safetensors"
    right = half(tiny)
    weights_claiming(path, tiny.config, right)
    assert load_generator(path).style == "x"
    wrong = {
        "a missing one": {k: v for k, v in right.items() if k != "to_rgb.bias"},
        "one more": right | {"more": torch.zeros(1)},
        "flattened": right | {"to_rgb.weight": right["to_rgb.weight"].flatten()},
        "whole numbers": {k: v.to(torch.int32) for k, v in right.items()},
    }
    for tensors in wrong.values():
        weights_claiming(path, tiny.config, tensors)
        with pytest.raises(InputError, match=r"x\.safetensors: the weights do not fit"):
            load_generator(path)


@pytest.mark.parametrize("style", ["../../etc/x", "a/b", "..", ""])
def test_a_style_cannot_be_named_like_a_place(tiny, tmp_path, style):
    weights_claiming(tmp_path / "x.safetensors", tiny.config, half(tiny), style=style)
    with pytest.raises(InputError, match=r"x\.safetensors: style\.name="):
        load_generator(tmp_path / "x.safetensors")


def test_names_must_be_text(tiny, tmp_path):
    state = {"generator." + key: value for key, value in tiny.state_dict().items()}
    for known in ({"style": 5}, {"style": "x", "credit": [1]}):
        hparams = {"generator": tiny.config} | known
        torch.save({"state_dict": state, "hyper_parameters": hparams}, tmp_path / "x.ckpt")
        with pytest.raises(InputError, match=r"x\.ckpt: its style, credit and base must be text"):
            load_generator(tmp_path / "x.ckpt")


def in_checkpoint(path, pickled):
    checkpoint_claiming(path, pickled)
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_made_of_what_torch_writes_and_nothing_else(tmp_path, protocol):
    """Other opcodes name calls and claim lengths in ways of their own."""
    good = {"a": [1, 2.5, None, True, (), (1,), -3, 2**40], "b": OrderedDict(c="d")}
    path = in_checkpoint(tmp_path / "x.ckpt", pickle.dumps(good, protocol=2))
    _check_archive(path)
    hidden = bytearray(50) if protocol > 4 else {1, 2} if protocol == 4 else Trap(path)
    for value in (hidden, Trap(path)):
        with pytest.raises(ValueError, match="opcode|global"):
            _check_archive(in_checkpoint(path, pickle.dumps(value, protocol=protocol)))


def test_a_bytearray_of_protocol_4_is_refused_before_it_is_made(tmp_path):
    pickled = b"\x80\x04\x8c\x08builtins\x8c\x09bytearray\x93" + b"J" + struct.pack("<i", 2**30)
    path = in_checkpoint(tmp_path / "x.ckpt", pickled + b"\x85R.")
    with pytest.raises(ValueError, match="opcode"):
        _check_archive(path)
    with pytest.raises(InputError, match=r"x\.ckpt is damaged, or no checkpoint"):
        load_generator(path)


def test_a_checkpoint_of_torch_passes(tiny, tmp_path):
    optimizer = torch.optim.Adam(tiny.parameters())
    sum(p.sum() for p in tiny.requires_grad_().parameters()).backward()
    optimizer.step()
    torch.save(
        {"state_dict": dict(tiny.state_dict()), "optimizer": optimizer.state_dict()},
        tmp_path / "x.ckpt",
    )
    _check_archive(tmp_path / "x.ckpt")


MEASURED = """
import resource, sys
from hrstyle.checkpoint import load_generator
from hrstyle.errors import InputError
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start, path = peak(), None
for path in sys.argv[1:]:
    try:
        load_generator(path)
    except InputError as error:
        assert path in str(error), error
    else:
        sys.exit(f"{path} was taken")
    if peak() > start + 100:
        sys.exit(f"{path} took {peak() - start:.0f} MB")
"""


@pytest.mark.slow
def test_files_that_claim_to_be_huge_take_no_memory(tiny, tmp_path):
    """A file that says it is a terabyte long, in every place where one can say so."""
    right = half(tiny)

    def claiming(name, **settings):
        weights_claiming(tmp_path / f"{name}.safetensors", tiny.config, right, **settings)

    bias = {"dtype": "F16", "shape": [3]}
    claiming("end", header={"to_rgb.bias": bias | {"data_offsets": [0, HUGE]}})
    claiming("shape", header={"to_rgb.bias": bias | {"shape": [HUGE], "data_offsets": [0, 6]}})
    claiming("deep", generator="[" * 10**5)
    (tmp_path / "header.safetensors").write_bytes(struct.pack("<Q", HUGE) + b"{}" * 50)
    large = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(30_000_000)}, large)

    settings = {"channels": [4096, 4096], "blocks": [0]}
    weights_claiming(tmp_path / "big.safetensors", PYRAMID | settings, right)

    def checkpoint(name, config, value):
        state = {"generator." + key: value for key in right}
        torch.save(
            {"state_dict": state, "hyper_parameters": {"generator": config, "style": "x"}},
            tmp_path / f"{name}.ckpt",
        )

    with torch.device("meta"):
        shapes = pyramid(**settings).state_dict()
    # One number that is looked at as if it were many.
    repeated = {f"generator.{k}": torch.zeros(1).expand(v.shape) for k, v in shapes.items()}
    hparams = {"generator": PYRAMID | settings, "style": "x"}
    torch.save({"state_dict": repeated, "hyper_parameters": hparams}, tmp_path / "repeated.ckpt")
    checkpoint("one", tiny.config, torch.zeros(1))
    calls = {
        "bytes": call("builtins bytearray", 10**10),
        "tensor": call("torch FloatTensor", 10**5, 10**4),
        "list": call("torch Tensor", 10**5, 10**4),
    }
    for name, pickled in calls.items():
        checkpoint_claiming(tmp_path / f"{name}.ckpt", pickled)
    bomb = b"\x80\x02" + b"]0" * (75 * 10**6) + b"N."
    checkpoint_claiming(tmp_path / "bomb.ckpt", bomb, compression=zipfile.ZIP_DEFLATED)
    assert (tmp_path / "bomb.ckpt").stat().st_size < 10**6
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    assert len(files) == 12
    subprocess.run([sys.executable, "-c", MEASURED, *files], check=True)

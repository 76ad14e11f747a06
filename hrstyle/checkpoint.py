"""The files that hold a trained generator; the only module that knows their formats.

The file people share (`.safetensors`): the generator's weights in float16, and in its metadata
`format` ("hrstyle 1"), `style` (a name), `generator` (its `config` as JSON), `credit` (title,
artist, year) and `base`, the `fingerprint` of the network that the training started from.

Lightning's checkpoint (`.ckpt`), which training writes and resumes from: the weights under
`state_dict` with the prefix `generator.`, the rest under `hyper_parameters`.

Reading either never executes code from the file, and takes no more memory than the file is long,
whatever it claims: files come from strangers.
"""

import copy
import hashlib
import json
import os
import pickletools
import re
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hrstyle.errors import InputError
from hrstyle.files import write_atomically
from hrstyle.generator.base import Generator
from hrstyle.generator.paper_network import paper
from hrstyle.generator.pyramid_network import pyramid
from hrstyle.styles.catalogue import check_name, weights_file

_FORMAT = "hrstyle 1"
_PREFIX = "generator."
# What the pickle in a checkpoint may call. torch.load's own list holds more, such as bytearray,
# which takes as much memory as it is told to.
_CALLED = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_tensor_v2"
    r"|torch (Float|Double|Half|BFloat16|Long|Int|Bool)Storage"
)
# What it may be made of: what torch.save writes, and nothing that names a call in another way, sets
# an object's state or claims a length.
_OPCODES = re.compile(
    r"PROTO|MARK|STOP|GLOBAL|REDUCE|BINPERSID|(LONG_)?BIN(PUT|GET)|NONE|NEW(TRUE|FALSE)"
    r"|BININT[12]?|LONG1|BINFLOAT|BINUNICODE|EMPTY_(TUPLE|LIST|DICT)|TUPLE[123]?|APPENDS?|SETITEMS?"
)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained generator and what is known about it.

    Args:
        generator: float32, on the CPU, in eval mode.
        style: the style's name.
        credit: title, artist and year of the picture, or "".
        base: `fingerprint` of the network that its training started from, "" if from nothing.
            Networks that have it in common can be mixed.
        together: of a checkpoint of several styles (`hrstyle.train.shared`), their names; the
            generator then holds what they have in common, and is no style by itself.
    """

    generator: Generator
    style: str
    credit: str = ""
    base: str = ""
    together: tuple[str, ...] = ()


def from_config(config: dict[str, Any]) -> Generator:
    """Rebuild a generator (with fresh weights) from its `config`.

    Raises:
        InputError: the config names no generator of this version, or does not fit it.
    """
    arguments = dict(config) if isinstance(config, dict) else {}
    name = arguments.pop("name", None)
    builders: dict[Any, Callable[..., Generator]] = {"pyramid": pyramid, "paper": paper}
    if not isinstance(name, str) or name not in builders:
        raise InputError(
            f"unknown generator {reprlib.repr(name)} (this version knows {', '.join(builders)});"
            " update hrstyle"
        )
    try:
        return builders[name](**arguments)
    except InputError:
        raise
    except (TypeError, ValueError) as error:  # no numbers, or none that torch takes
        raise InputError(
            f"generator {name!r} does not take these settings: {reprlib.repr(arguments)}"
        ) from error


def fingerprint(generator: Generator) -> str:
    """Sixteen characters that tell these weights, rounded as in a file, from any others."""
    digest = hashlib.sha256()
    for key, value in sorted(_rounded(generator).items()):
        digest.update(key.encode() + value.numpy().tobytes())
    return digest.hexdigest()[:16]


def _rounded(generator: Generator) -> dict[str, Tensor]:
    return {
        key: value.detach().to("cpu", torch.float16).contiguous()
        for key, value in generator.state_dict().items()
    }


def generator_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Only the entries of a LightningModule's state dict that belong to its generator."""
    return {key: value for key, value in state.items() if key.startswith(_PREFIX)}


def save_weights(
    path: str | os.PathLike[str],
    generator: Generator,
    *,
    style: str,
    credit: str = "",
    base: str = "",
) -> None:
    """Write the file that people share.

    float16 halves the file. Rounding the weights moves a pixel by a small part of 1/255 on average,
    single ones by a few; `last.ckpt` keeps the exact weights.

    Raises:
        InputError: the folder is missing or not writable.
    """
    metadata = {"style": style, "credit": credit, "base": base}
    metadata |= {"format": _FORMAT, "generator": json.dumps(generator.config)}
    write_atomically(path, save(_rounded(generator), metadata))


def load_source(source: str | os.PathLike[str], like: Generator | None = None) -> Trained:
    """`load_generator` of a bundled style's name, or of a path.

    Raises:
        InputError: no such style or file; the state of a training of several styles; see
            `load_generator`.
    """
    trained = load_generator(weights_file(source), like)
    if trained.together:
        raise InputError(
            f"{source} is the state of a training of {len(trained.together)} styles; at its end"
            " each of them has a .safetensors file beside it"
        )
    return trained


def load_generator(path: str | os.PathLike[str], like: Generator | None = None) -> Trained:
    """Read a trained generator from either kind of file.

    Args:
        path: the file.
        like: of a class of your own, which no file may name: where its `config` is the file's, a
            copy of it takes the weights.

    Raises:
        InputError: the file is missing, damaged, or not one of these.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            is_checkpoint = file.read(2) == b"PK"  # torch.save writes a zip archive
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the path") from error
    described, state = (_read_checkpoint if is_checkpoint else _read_weights)(path)
    try:
        if like is not None and like.config == described["generator"]:
            generator = copy.deepcopy(like)
        else:
            with torch.device("meta"):  # where weights have shapes but take no memory
                generator = from_config(described["generator"])
        known = {key: described[key] for key in ("style", "credit", "base") if key in described}
        if not all(isinstance(text, str) for text in known.values()):
            raise InputError("its style, credit and base must be text")
        check_name(known["style"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if not _fits(state, generator.state_dict(), path.stat().st_size):
        raise InputError(
            f"{path}: the weights do not fit their generator {generator.config}; train again?"
        )
    weights = {key: value.to(torch.float32, copy=True) for key, value in state.items()}
    if not all(torch.isfinite(value).all() for value in weights.values()):
        raise InputError(f"{path} holds weights that are not finite numbers; train again")
    generator.load_state_dict(weights, assign=True)
    together = described.get("together", ())
    return Trained(generator=generator.requires_grad_(False).eval(), together=together, **known)


def _fits(state: dict[str, Any], expected: dict[str, Tensor], size: int) -> bool:
    """Whether these are the expected weights, all of them in a file of so many bytes."""
    return (
        state.keys() == expected.keys()
        and all(
            isinstance(value, Tensor)
            and value.shape == expected[key].shape
            and value.is_floating_point()
            and value.layout == torch.strided
            for key, value in state.items()
        )
        and sum(value.nbytes for value in state.values()) <= size
    )  # views can repeat a single number


def _read_weights(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(
            f"{path} is neither a .safetensors file nor a Lightning checkpoint, or is damaged"
        ) from error
    if metadata.get("format") != _FORMAT:
        raise InputError(
            f"{path} was not written by hrstyle, or by a newer one"
            f" (format {reprlib.repr(metadata.get('format'))}, this version reads {_FORMAT!r})"
        )
    try:
        required = {"generator": json.loads(metadata["generator"]), "style": metadata["style"]}
        return metadata | required, state
    except (KeyError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: its description of the generator is damaged") from error


def _read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        _check_archive(path)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch.load raises a dozen types for damaged files
        raise InputError(f"{path} is damaged, or no checkpoint that can be read safely") from error
    try:
        hparams = checkpoint["hyper_parameters"]
        state = generator_state(checkpoint["state_dict"])
        described = {key: hparams[key] for key in ("generator", "style")}
        described |= {key: hparams[key] for key in ("credit", "base") if key in hparams}
        parts = (key.split(".") for key in checkpoint["state_dict"])
        described["together"] = tuple(
            dict.fromkeys(
                part[2] for part in parts if part[:2] == ["shared", "styles"] and part[2:]
            )
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a checkpoint of hrstyle.train") from error
    return described, {key.removeprefix(_PREFIX): value for key, value in state.items()}


def _check_archive(path: Path) -> None:
    """Raise ValueError or BadZipFile unless reading takes no more memory than the file is long."""
    with ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != ZIP_STORED for entry in entries):
            raise ValueError("compressed")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise BadZipFile("entries that are larger than the file")
        (pickled,) = (entry for entry in entries if entry.filename.endswith("/data.pkl"))
        for opcode, argument, _ in pickletools.genops(archive.read(pickled)):
            if not _OPCODES.fullmatch(opcode.name):
                raise ValueError(f"the opcode {opcode.name}")
            if opcode.name == "GLOBAL" and not _CALLED.fullmatch(str(argument)):
                raise ValueError(f"a call of {argument}")

"""Reading and writing the files of trained generators. Only this module knows their formats.

`.safetensors`, the file people share, holds the generator's weights in float16. Its metadata are
`format` ("hrstyle 1"), `style` (a name), `generator` (its `config` as JSON), `credit` (title,
artist, year) and `base`, the `fingerprint` of the network that the training started from.

`.ckpt` is Lightning's checkpoint, which training writes and resumes from. It holds the weights
under `state_dict` with the prefix `generator.`, and the rest under `hyper_parameters`.

Files come from strangers. So reading one never executes code from it, and never takes more memory
than the file's size, whatever shapes the file claims.
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
from hrstyle.styles.names import check_name
from hrstyle.styles.trained import FORMAT, weights_file

GENERATORS: dict[Any, Callable[..., Generator]] = {"pyramid": pyramid, "paper": paper}
"""The builders of the generators that a file may name, by the `name` of their `config`."""
_PREFIX = "generator."
# The globals that a checkpoint's pickle may call. torch.load's own list is longer: it allows
# bytearray, for one, which allocates as much memory as the file tells it to.
_ALLOWED_GLOBALS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_tensor_v2"
    r"|torch (Float|Double|Half|BFloat16|Long|Int|Bool)Storage"
)
# The opcodes that the pickle may hold: those that torch.save writes. None of them names a global in
# another way, sets an object's state, or allocates by a length in the file.
_ALLOWED_OPCODES = re.compile(
    r"PROTO|MARK|STOP|GLOBAL|REDUCE|BINPERSID|(LONG_)?BIN(PUT|GET)|NONE|NEW(TRUE|FALSE)"
    r"|BININT[12]?|LONG1|BINFLOAT|BINUNICODE|EMPTY_(TUPLE|LIST|DICT)|TUPLE[123]?|APPENDS?|SETITEMS?"
)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained generator with its description.

    Args:
        generator: the network; float32, on the CPU, in eval mode.
        style: the style's name.
        credit: title, artist and year of the painting, or "".
        base: `fingerprint` of the network that its training started from; "" if it started from
            random weights. Networks of one base can be mixed.
        shared_styles: names of the styles in a checkpoint of several styles
            (`hrstyle.train.shared`). The generator then holds only the weights that they share, and
            paints none of them. Empty for a single style.
    """

    generator: Generator
    style: str
    credit: str = ""
    base: str = ""
    shared_styles: tuple[str, ...] = ()


def from_config(config: dict[str, Any]) -> Generator:
    """Rebuild a generator (with fresh weights) from its `config`.

    Raises:
        InputError: this version has no generator of that name, or it does not take these settings.
    """
    arguments = dict(config) if isinstance(config, dict) else {}
    name = arguments.pop("name", None)
    if not isinstance(name, str) or name not in GENERATORS:
        raise InputError(
            f"unknown generator {reprlib.repr(name)} (this version knows {', '.join(GENERATORS)});"
            " update hrstyle, or load a network of your own from Python, with like="
        )
    try:
        return GENERATORS[name](**arguments)
    except InputError:
        raise
    except (TypeError, ValueError) as error:  # not numbers, or numbers that torch refuses
        raise InputError(
            f"generator {name!r} does not take these settings: {reprlib.repr(arguments)}"
        ) from error


def fingerprint(generator: Generator) -> str:
    """Sixteen hexadecimal characters that identify the weights: a hash of them in float16."""
    digest = hashlib.sha256()
    for key, value in sorted(_float16_state(generator).items()):
        digest.update(key.encode() + value.numpy().tobytes())
    return digest.hexdigest()[:16]


def _float16_state(generator: Generator) -> dict[str, Tensor]:
    return {
        key: value.detach().to("cpu", torch.float16).contiguous()
        for key, value in generator.state_dict().items()
    }


def generator_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The entries of a LightningModule's state dict that belong to its generator."""
    return {key: value for key, value in state.items() if key.startswith(_PREFIX)}


def save_weights(
    path: str | os.PathLike[str],
    generator: Generator,
    *,
    style: str,
    credit: str = "",
    base: str = "",
) -> None:
    """Write the `.safetensors` file that people share, in float16, which halves its size.

    Rounding the weights changes pixels by much less than 1/255 on average, single pixels by a few
    of 255. Training's `last.ckpt` keeps the exact weights.

    Raises:
        InputError: the folder is missing or not writable.
    """
    metadata = {"style": style, "credit": credit, "base": base}
    metadata |= {"format": FORMAT, "generator": json.dumps(generator.config)}
    write_atomically(path, save(_float16_state(generator), metadata))


def load_source(source: str | os.PathLike[str], like: Generator | None = None) -> Trained:
    """Read a trained generator by a bundled style's name or by a path; see `load_generator`.

    Raises:
        InputError: no such style or file; a checkpoint of several styles; see also
            `load_generator`.
    """
    trained = load_generator(weights_file(source), like)
    if trained.shared_styles:
        raise InputError(
            f"{source} is a checkpoint of {len(trained.shared_styles)} styles; when their training"
            " ends, each of them has a .safetensors file beside it"
        )
    return trained


def load_generator(path: str | os.PathLike[str], like: Generator | None = None) -> Trained:
    """Read a trained generator from either kind of file.

    Args:
        path: the file.
        like: a generator of your own class, for files of that class: a file cannot name your class
            itself. If its `config` equals the file's, the weights are loaded into a copy of it.

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
            with torch.device("meta"):  # weights have shapes but take no memory
                generator = from_config(described["generator"])
        texts = {key: described[key] for key in ("style", "credit", "base") if key in described}
        if not all(isinstance(text, str) for text in texts.values()):
            raise InputError("its style, credit and base must be text")
        check_name(texts["style"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if not _are_weights_of(state, generator.state_dict(), path.stat().st_size):
        raise InputError(
            f"{path}: the weights do not fit their generator {generator.config}; train again?"
        )
    weights = {key: value.to(torch.float32, copy=True) for key, value in state.items()}
    if not all(torch.isfinite(value).all() for value in weights.values()):
        raise InputError(f"{path} holds weights that are not finite numbers; train again")
    generator.load_state_dict(weights, assign=True)
    shared_styles = described.get("shared_styles", ())
    return Trained(
        generator=generator.requires_grad_(False).eval(), shared_styles=shared_styles, **texts
    )


def _are_weights_of(state: dict[str, Any], expected: dict[str, Tensor], size: int) -> bool:
    """Whether `state` has the keys and shapes of `expected`, and fits in `size` bytes.

    It may not fit, because a view may repeat one number without end.
    """
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
    )


def _read_weights(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(
            f"{path} is neither a .safetensors file nor a Lightning checkpoint, or is damaged"
        ) from error
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path} was not written by hrstyle, or by a newer one"
            f" (format {reprlib.repr(metadata.get('format'))}, this version reads {FORMAT!r})"
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
        described["shared_styles"] = tuple(
            dict.fromkeys(
                part[2] for part in parts if part[:2] == ["shared", "styles"] and part[2:]
            )
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a checkpoint of hrstyle.train") from error
    return described, {key.removeprefix(_PREFIX): value for key, value in state.items()}


def _check_archive(path: Path) -> None:
    """Raise ValueError or BadZipFile if reading could take more memory than the file's size."""
    with ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != ZIP_STORED for entry in entries):
            raise ValueError("compressed entries are not allowed")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise BadZipFile("the entries are larger than the file")
        (pickled,) = (entry for entry in entries if entry.filename.endswith("/data.pkl"))
        for opcode, argument, _ in pickletools.genops(archive.read(pickled)):
            if not _ALLOWED_OPCODES.fullmatch(opcode.name):
                raise ValueError(f"the opcode {opcode.name} is not allowed")
            if opcode.name == "GLOBAL" and not _ALLOWED_GLOBALS.fullmatch(str(argument)):
                raise ValueError(f"the global {argument} is not allowed")

"""The files that hold a trained generator; the only module that knows their formats.

The file people share (`.safetensors`): the generator's weights in float16, and in its metadata
`format` ("hrstyle 1"), `style` (a name) and `generator` (its `config` as JSON).

Lightning's checkpoint (`.ckpt`), which training writes and resumes from: the weights under
`state_dict` with the prefix `generator.`, `style` and `generator` under `hyper_parameters`.

Reading either never executes code from the file.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hrstyle.errors import InputError
from hrstyle.generator import Generator, from_config
from hrstyle.images import write_atomically
from hrstyle.styles import weights_path

_FORMAT = "hrstyle 1"
_PREFIX = "generator."


def generator_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Only the entries of a LightningModule's state dict that belong to its generator."""
    return {key: value for key, value in state.items() if key.startswith(_PREFIX)}


def save_weights(path: str | os.PathLike[str], generator: Generator, *, style: str) -> None:
    """Write the file that people share.

    float16 halves the file. Rounding the weights moves a pixel by a small part of 1/255 on average,
    single ones by a few; `last.ckpt` keeps the exact weights.

    Raises:
        InputError: the folder is missing or not writable.
    """
    state = {
        key: value.detach().to("cpu", torch.float16).contiguous()
        for key, value in generator.state_dict().items()
    }
    metadata = {"format": _FORMAT, "style": style, "generator": json.dumps(generator.config)}
    write_atomically(path, save(state, metadata))


def load_source(source: str | os.PathLike[str]) -> tuple[Generator, str]:
    """`load_generator` of a bundled style's name, or of a path.

    Raises:
        InputError: no such style or file; see `load_generator`.
    """
    try:
        path = Path(source).expanduser()
    except RuntimeError as error:
        raise InputError(f"no weights at {source}: {error}") from error
    if path.is_file():
        return load_generator(path)
    if isinstance(source, str) and not path.suffix and path.name == source:
        return load_generator(weights_path(source))
    raise InputError(f"no weights at {source}; check the path")


def load_generator(path: str | os.PathLike[str]) -> tuple[Generator, str]:
    """Read a trained generator from either kind of file.

    Returns:
        The generator, float32, on the CPU, in eval mode; and the style's name.

    Raises:
        InputError: the file is missing, damaged, or not one of these.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            is_checkpoint = file.read(2) == b"PK"  # torch.save writes a zip archive
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the path") from error
    config, state, style = (_read_checkpoint if is_checkpoint else _read_weights)(path)
    try:
        generator = from_config(config)
        generator.load_state_dict(state)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except RuntimeError as error:
        raise InputError(
            f"{path}: the weights do not fit their generator {config}; train again?"
        ) from error
    return generator.requires_grad_(False).eval(), style


def _read_weights(path: Path) -> tuple[dict[str, Any], dict[str, Tensor], str]:
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
            f" (format {metadata.get('format')!r}, this version reads {_FORMAT!r})"
        )
    try:
        return json.loads(metadata["generator"]), state, metadata["style"]
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: its description of the generator is damaged") from error


def _read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor], str]:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises a dozen types for damaged files
        raise InputError(f"{path} is damaged, or no checkpoint that can be read safely") from error
    try:
        hparams = checkpoint["hyper_parameters"]
        state = generator_state(checkpoint["state_dict"])
        config, style = hparams["generator"], hparams["style"]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a checkpoint of hrstyle.train") from error
    return config, {key.removeprefix(_PREFIX): value for key, value in state.items()}, style

"""Where a training run starts: at a checkpoint, or with initial weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hrstyle.checkpoint import Trained, fingerprint, load_generator, load_source
from hrstyle.errors import InputError
from hrstyle.generator.base import Generator
from hrstyle.styles.catalogue import Style, StyleSet
from hrstyle.styles.trained import list_styles

LAST = "last.ckpt"
"""Name of the checkpoint in a run's folder."""
BUNDLED = "bundled"
"""The `init` that starts several styles from their bundled weights."""


def find_checkpoint(
    run_dir: Path,
    ckpt_path: str | Path | None,
    generator: Generator,
    style: Style | StyleSet,
) -> tuple[Path, Trained] | None:
    """The checkpoint to resume from and what it holds, or None for a fresh start.

    Args:
        run_dir: the run's folder.
        ckpt_path: a checkpoint file; `"last"`, the one in `run_dir`; or None.
        generator: the network to train; the checkpoint's must have the same config.
        style: the style to train, or the set of styles; the checkpoint must be of the same.

    Raises:
        InputError: there is no such checkpoint, or it does not match; or a fresh start would
            overwrite an earlier run in the folder; or TensorBoard could not write to it.
    """
    try:
        str(run_dir).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"run_dir={run_dir} is not in the system's encoding, which TensorBoard needs; give"
            " another run_dir=FOLDER"
        ) from error
    last = run_dir / LAST
    path = last if ckpt_path == "last" else Path(ckpt_path).expanduser() if ckpt_path else None
    if path and not path.is_file():
        raise InputError(f"no checkpoint {path} to resume from; without ckpt_path a new run starts")
    if last.is_file() and not (path and path.samefile(last)):
        raise InputError(
            f"{run_dir} already holds a run; ckpt_path=last resumes it, and"
            " run_dir=ANOTHER_FOLDER starts a new one"
        )
    if not path:
        return None
    trained = load_generator(path, generator)
    if trained.generator.config != generator.config:
        raise InputError(
            f"{path} was trained with another generator than {generator.config}; give the same"
            " generator settings again"
        )
    found = trained.shared_styles or [trained.style]
    wanted = [part.name for part in style.parts]
    if set(found) != set(wanted) or bool(trained.shared_styles) is not isinstance(style, StyleSet):
        raise InputError(
            f"{path} is the state of a training of {', '.join(found)}, not of"
            f" {', '.join(wanted)}; give the same style again (style.name=NAME names a picture of"
            " your own), or another run_dir without ckpt_path"
        )
    if path.suffix != last.suffix:
        raise InputError(f"{path} holds only weights; to resume, give a {last.suffix} file")
    return path, trained


def start_from(generator: Generator, init: str | Path) -> str:
    """Load initial weights into `generator`.

    Args:
        generator: the network; its weights are replaced.
        init: `"scratch"` leaves the weights unchanged; `"base"` is the network from which the
            bundled styles were trained; or the name of a style, or a file of trained weights.
            `"bundled"` is for several styles, and also leaves the weights unchanged, see
            `SharedGenerator`.

    Returns:
        The fingerprint of the base, see `hrstyle.checkpoint.Trained`; "" without one.

    Raises:
        InputError: no such weights, or weights of another generator.
    """
    if init in ("scratch", BUNDLED):
        return ""
    start = _load_matching(init, generator)
    generator.load_state_dict(start.generator.state_dict())
    return start.base or fingerprint(start.generator)


def _load_matching(init: str | Path, generator: Generator) -> Trained:
    start = load_source(init, generator)
    if start.generator.config != generator.config:
        raise InputError(
            f"init={init} holds the weights of {start.generator.config}, which do not fit"
            f" {generator.config}; add init=scratch to start from random weights"
        )
    return start


def bundled_starts(styles: Sequence[Style], generator: Generator) -> tuple[dict[str, Any], str]:
    """Where several styles start with `init="bundled"`.

    Returns:
        The generators of those styles that have bundled weights, by name; and the fingerprint of
        their common base, "" if they have none.

    Raises:
        InputError: weights of another generator.
    """
    bundled = {
        style.name: _load_matching(style.name, generator)
        for style in styles
        if style.name in list_styles()
    }
    bases = {trained.base for trained in bundled.values()}
    generators = {name: trained.generator for name, trained in bundled.items()}
    return generators, bases.pop() if len(bases) == 1 else ""

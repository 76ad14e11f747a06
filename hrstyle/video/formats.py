"""Which clips can be read, by their names, and how they are written."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from hrstyle.errors import InputError

CRF = 20.0
"""Default constant rate factor; a lower one is better and gives a larger file."""
# fmt: off
_READABLE = (
    ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv",
)
# fmt: on


def is_clip(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a clip by its name; hidden files are not."""
    path = Path(path)
    return path.suffix.lower() in _READABLE and not path.name.startswith(".")


@dataclass(frozen=True)
class Format:
    """How files with an ending are encoded."""

    muxer: str
    codec: str
    pixels: str = "yuv420p"
    worst: float | None = 51
    """Maximal constant rate factor, or None if the codec has none."""
    even: bool = False
    """Whether both sides must be even."""
    sound: str | None = "aac"
    """Encoder for sound that the container cannot hold as it is, or None if it holds no sound."""
    subtitles: str = "mov_text"
    """The same for subtitles."""
    shortest: Fraction = Fraction(0)
    """Minimal time between two frames, in seconds."""
    options: Mapping[str, str] = field(default_factory=dict)


_FORMATS = {
    ".mp4": Format("mp4", "libx264", even=True),
    ".m4v": Format("mp4", "libx264", even=True),
    ".mov": Format("mov", "libx264", even=True),
    ".mkv": Format("matroska", "libx264", even=True, subtitles="subrip"),
    ".webm": Format(
        "webm",
        "libvpx-vp9",
        worst=63,
        sound="libopus",
        subtitles="webvtt",
        options={"b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
    ),
    # Browsers show a GIF's frames for 1/10 s if they are shorter than 1/50 s.
    ".gif": Format("gif", "gif", "pal8", worst=None, sound=None, shortest=Fraction(1, 50)),
    ".webp": Format(
        "webp",
        "libwebp_anim",
        "bgra",
        worst=None,
        sound=None,
        options={"quality": "85"},
    ),
}
_TRANSPARENT = {
    ".webm": replace(_FORMATS[".webm"], pixels="yuva420p"),
    ".mov": Format("mov", "prores_ks", "yuva444p10le", worst=None, options={"profile": "4444"}),
    ".gif": _FORMATS[".gif"],
    # Only when lossless does FFmpeg's encoder keep the transparency.
    ".webp": replace(_FORMATS[".webp"], options={"lossless": "1"}),
}
"""How transparent frames are encoded, where they can be."""


ENDINGS = tuple(_FORMATS)
"""The endings of clips that can be written."""


def check_ending(path: str | os.PathLike[str], crf: float | None = None) -> str:
    """Check that a clip can be written under this name with this constant rate factor.

    Returns:
        The ending.

    Raises:
        InputError: an unknown ending; a factor that is out of range or unused by the format.
    """
    suffix = Path(path).suffix.lower()
    if not suffix:
        raise InputError(f"{path} has no ending; end its name in {', '.join(_FORMATS)}")
    if suffix not in _FORMATS:
        raise InputError(f"{path}: no such clip type as {suffix!r}; use {', '.join(_FORMATS)}")
    check_crf(path, crf, _FORMATS[suffix])
    return suffix


def writable_size(path: str | os.PathLike[str], size: tuple[int, int]) -> tuple[int, int]:
    """Height and width rounded down to what the format supports."""
    if not format_of(path).even:
        return size
    height, width = (max(2, side // 2 * 2) for side in size)
    return height, width


def holds_sound(path: str | os.PathLike[str]) -> bool:
    """Whether the format can hold sound and subtitles."""
    return format_of(path).sound is not None


def holds_transparency(path: str | os.PathLike[str]) -> bool:
    """Whether the format can hold transparent frames."""
    return Path(path).suffix.lower() in _TRANSPARENT


def format_of(path: str | os.PathLike[str], *, transparent: bool = False) -> Format:
    """How a clip with this name is encoded."""
    return (_TRANSPARENT if transparent else _FORMATS)[Path(path).suffix.lower()]


def check_crf(path: str | os.PathLike[str], crf: float | None, form: Format) -> None:
    """Raise InputError unless the format has this constant rate factor; None fits all."""
    if crf is None:
        return
    if form.worst is None:
        raise InputError(
            f"crf={crf!r} has no meaning for {Path(path).suffix} ({form.codec}); leave it out"
        )
    if not (isinstance(crf, int | float) and 0 <= crf <= form.worst):
        raise InputError(f"crf={crf!r} must be from 0 (best) to {form.worst} (smallest file)")

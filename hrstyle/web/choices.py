"""The styles that the page offers: the bundled ones, and files of one's own."""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from PIL import Image

from hrstyle.checkpoint import load_source
from hrstyle.errors import InputError
from hrstyle.images.reading import PILImage, open_image
from hrstyle.images.writing import write_image
from hrstyle.inference import Stylizer, load
from hrstyle.styles.trained import list_styles

THUMBNAILS = Path(__file__).parent / "thumbnails"
"""Folder with a small repaint of each bundled style, drawn by scripts/web_thumbnails.py."""
_FIRST = "starry_night"
_FACE = (70, 10, 350, 290)  # of the cat in chelsea.png
_SIDE = 144


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The styles that visitors can choose from.

    Args:
        sources: what `hrstyle.load` takes, by the name that the page shows.
        thumbnails: a small repaint of each, as a JPEG file's bytes.
        first: name of the style that is chosen at the start.
    """

    sources: Mapping[str, str]
    thumbnails: Mapping[str, bytes]
    first: str = _FIRST

    @property
    def names(self) -> list[str]:
        """The names, in the page's order."""
        return list(self.sources)

    def css(self, radio: str) -> str:
        """A style sheet that puts the thumbnails on the radio buttons of this selector."""
        rules = []
        for name, thumbnail in self.thumbnails.items():
            value = re.sub(r"[^\w-]", lambda found: f"\\{ord(found[0]):x} ", name)
            data = base64.b64encode(thumbnail).decode()
            rules.append(
                f'{radio} label:has(input[value="{value}"])::before'
                f" {{ background-image: url(data:image/jpeg;base64,{data}) }}"
            )
        return "\n".join(rules)

    def find(self, style: str, second: str | None = None, share: float = 0.0) -> Stylizer:
        """A style, or a mixture of two.

        Args:
            style: its name. Paths are refused, because visitors can send any text.
            second: name of a second style, or None.
            share: share of the second style, from 0 to 1.

        Raises:
            InputError: no such style or share, or two styles that cannot be mixed.
        """
        for name in (style,) if second is None else (style, second):
            if name not in self.names:
                raise InputError(
                    f"there is no style named {str(name)[:40]!r}; the styles are"
                    f" {', '.join(self.names)}"
                )
        if not (isinstance(share, int | float) and 0 <= share <= 1):
            raise InputError(f"share={share!r} of the second style must be from 0 to 1")
        if second in (None, style) or share == 0:
            return _load(self.sources[style], None, 0)
        return _load(self.sources[style], self.sources[str(second)], share)


@lru_cache(maxsize=2)  # few, because each keeps its engine's memory
def _load(style: str, second: str | None, share: float) -> Stylizer:
    return load(style if second is None else {style: 1 - share, second: share})


def offer(own: Sequence[str] = ()) -> Choices:
    """The bundled styles, after one's own.

    Args:
        own: files of trained styles. Each gets a thumbnail, which takes a second, and its style's
            name, with a number if another has that name.

    Raises:
        InputError: a file that is no trained style, see `hrstyle.load`.
    """
    sources, thumbnails = {}, {}
    taken = set(list_styles())
    for source in own:
        # Absolute, because the server changes its folder.
        path = source if source in taken else str(Path(source).expanduser().absolute())
        name = free = load_source(path).style or Path(source).stem
        number = 2
        while free in taken or free in sources:
            free, number = f"{name} {number}", number + 1
        sources[free] = path
        thumbnails[free] = _jpeg(draw(path))
    first = next(iter(sources), _FIRST)
    for name in list_styles():
        sources[name] = name
        thumbnails[name] = (THUMBNAILS / f"{name}.jpg").read_bytes()
    return Choices(sources=sources, thumbnails=thumbnails, first=first)


def draw(style: str) -> PILImage:
    """The thumbnail of a style, by its name or file: the face of Chelsea, scikit-image's cat."""
    photo = open_image(Path(str(files("skimage.data") / "chelsea.png"))).crop(_FACE)
    painted = load(style, engine="torch").stylize(photo)
    return painted.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)


def _jpeg(image: PILImage) -> bytes:
    file = io.BytesIO()
    write_image(image, file, "thumbnail.jpg", quality=80, strip=True)
    return file.getvalue()

"""Styles: the pictures to train on, and the trained weights that come with the package."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import yaml
from PIL import Image

from hrstyle.errors import InputError
from hrstyle.images.reading import PILImage, open_image, to_rgb
from hrstyle.painting.enlarge import brushed

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = Path(__file__).parent / "weights"
PICTURES = Path(__file__).parent / "paintings"

_PACKAGE = Path(__file__).parents[1]
_INSTALLED = (_PACKAGE / "configs" / "train.yaml").is_file()
CONFIGS = (_PACKAGE if _INSTALLED else _PACKAGE.parent) / "configs"
"""The YAML files: inside the package once installed, beside it in a checkout."""

BASE = "base"
"""The network that all bundled styles were grown from; no style itself."""
LARGEST = 640
"""Pixels of a painting's longer side, where its style does not say how many."""


def names() -> list[str]:
    """The styles that can repaint at once, because their trained weights come along."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors") if path.stem != BASE)


def picture_names() -> list[str]:
    """The paintings that come along to train on."""
    return sorted(path.stem for path in PICTURES.glob("*.jpg"))


def weights_path(name: str) -> Path:
    """File of the weights of a bundled style, or of `BASE`.

    Raises:
        InputError: no such style; the message lists the known ones.
    """
    if name not in [*names(), BASE]:
        raise InputError(
            f"no style or file named {name!r}; the styles are {', '.join(names())}, or give the"
            " path of a trained .safetensors or .ckpt file"
        )
    return WEIGHTS / f"{name}.safetensors"


def weights_file(source: str | os.PathLike[str]) -> Path:
    """File of trained weights: a path itself, or that of a bundled style's name, or of `BASE`.

    Raises:
        InputError: no such style or file.
    """
    if source == BASE:
        return weights_path(BASE)
    try:
        path = Path(source).expanduser()
        found = path.is_file()
    except (RuntimeError, OSError, TypeError) as error:  # no such user; a name too long; no path
        raise InputError(f"no weights at {source}: {error}") from error
    if found:
        return path
    if isinstance(source, str) and not path.suffix and path.name == source:
        return weights_path(source)
    raise InputError(f"no weights at {source}; check the path")


@dataclass(frozen=True, kw_only=True)
class Style:
    """A picture to train on.

    Args:
        image: path or http(s) address of a picture, or the name of one that comes with the package.
            What an address gives is kept in the user's cache; see `hrstyle.styles.download.fetch`.
        name: what the trained style is called.
        sha256: of what the address gives; it must agree. A file of one's own is not checked.
        member: where the address gives a zip archive (a wheel is one), the picture's path in it.
        crop: left, top, right and bottom of the part to use, as shares of width and height; takes
            off frames and margins.
        size: length of the part's longer side in pixels when the loss network looks at it, enlarged
            if need be. Strokes come out as large as they are at this size. None: its own, but at
            most `LARGEST`.
        style_weight: how heavily the photo is painted, see `PerceptualLoss`.
        clean: take canvas grain and JPEG noise off before the loss network looks, see
            `hrstyle.painting.enlarge`. They are no strokes, but a network learns to paint them.
        title, artist, year, source, licence: credit.

    Raises:
        InputError: an impossible size, crop or name.
    """

    image: str
    name: str
    sha256: str | None = None
    member: str | None = None
    crop: Sequence[float] = (0.0, 0.0, 1.0, 1.0)
    size: int | None = None
    style_weight: float = 1.0
    clean: bool = True
    title: str | None = None
    artist: str | None = None
    year: str | None = None
    source: str | None = None
    licence: str | None = None

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 32:
            raise InputError(f"style.size={self.size} is too small for VGG19; take at least 32")
        check_name(self.name)
        left, top, right, bottom = self.crop if len(self.crop) == 4 else (1, 1, 0, 0)
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise InputError(
                f"style.crop={list(self.crop)} must be left, top, right and bottom as shares of the"
                " picture's width and height, such as [0.1,0,1,0.9]"
            )

    @property
    def parts(self) -> list["Style"]:
        """The pictures that make the style: this one alone."""
        return [self]

    @property
    def credit(self) -> str:
        """Title, artist and year, as far as they are known."""
        return ", ".join(str(x) for x in (self.title, self.artist, self.year) if x)

    @cached_property
    def path(self) -> Path:
        """The picture's file: the path itself, a bundled picture's, or that of the fetched one.

        Raises:
            InputError: no such file; or it cannot be fetched, or is not the expected one.
        """
        if self.image in picture_names():
            return PICTURES / f"{self.image}.jpg"
        if self.image.startswith(("http://", "https://")):
            from hrstyle.styles.download import fetch  # takes long to import

            return fetch(self.image, sha256=self.sha256, member=self.member)
        path = _file(self.image)
        if path is None:
            raise InputError(
                f"no picture {self.image!r}: it is neither a file nor an address nor"
                f" {' or '.join(picture_names())}, which come along; the gallery's pictures are"
                " fetched by the names of their styles"
            )
        return path

    def picture(self, at_least: int | None = None) -> PILImage:
        """The picture, cropped, as large as it is: RGB.

        Args:
            at_least: how many pixels of the part's shorter side will do: see `open_image`.

        Raises:
            InputError: see `path`; or a file that is no picture.
        """
        path = self.path
        left, top, right, bottom = self.crop
        part = min(right - left, bottom - top)
        try:
            image = to_rgb(open_image(path, at_least=at_least and math.ceil(at_least / part)))
        except InputError as error:
            if self.image.startswith("http"):  # the file in the cache says little
                path.unlink(missing_ok=True)  # or the next call would not even ask again
                raise InputError(f"{self.image}: {error}") from error
            raise
        width, height = image.size
        return image.crop(
            (round(left * width), round(top * height), round(right * width), round(bottom * height))
        )

    def load(self) -> "Tensor":
        """The picture, cropped, at its `size`: `(1, 3, H, W)` in [0, 1].

        Raises:
            InputError: see `path`; or a file that is no picture, or too small.
        """
        image = self.picture(2 * (self.size or LARGEST))
        longer = max(image.size)
        size = self.size or min(longer, LARGEST)
        width, height = (round(side * size / max(longer, 1)) for side in image.size)
        if min(width, height) < 16:
            raise InputError(
                f"{self.path}: {width}x{height} pixels at style.size={size} are too few for VGG19;"
                " both sides need 16"
            )
        image = image.resize((width, height), reducing_gap=2)
        if self.clean:
            image = Image.fromarray(brushed(np.asarray(image), (height, width)))
        from hrstyle.images.tensors import (
            to_tensor,  # torch, which who only wants a file need not load
        )

        return to_tensor(image)


@dataclass(frozen=True, kw_only=True)
class StyleSet:
    """Several styles, to be trained together (`hrstyle.train.shared`).

    Args:
        name: what they are called together.
        pictures: the styles, by any key; their own names must differ.

    Raises:
        InputError: an impossible name, the same name twice, or no pictures.
    """

    name: str
    pictures: Mapping[str, Style]

    def __post_init__(self) -> None:
        check_name(self.name)
        found = [style.name for style in self.parts]
        if not found or len({self.name, *found}) <= len(found):
            raise InputError(
                f"style.pictures must name at least one style, each another name and none"
                f" {self.name!r}; it has {', '.join(found) or 'nothing'}"
            )

    @property
    def parts(self) -> list[Style]:
        """The styles."""
        return list(self.pictures.values())

    @property
    def credit(self) -> str:
        """Whose pictures they are, as far as that is known."""
        return "; ".join(style.credit for style in self.parts if style.credit)


def find(source: str | os.PathLike[str]) -> Style:
    """The style of that name, or a picture of one's own as one: a path or an address.

    Raises:
        InputError: nothing of the sort; the message lists the names.
    """
    name = str(source)
    if name.startswith(("http://", "https://")):
        return Style(image=name, name=Path(name).stem or "style")
    if path := _file(name):  # resolved, or a file could be taken for a bundled picture's name
        return Style(image=str(path.resolve()), name=path.stem)
    if name not in gallery():
        raise InputError(
            f"no picture or style named {name!r}; give the path of a picture, or one of"
            f" {', '.join(gallery())}"
        )
    return gallery()[name]


def _file(name: str) -> Path | None:
    """The file of that name, if there is one."""
    try:
        path = Path(name).expanduser()
        return path if path.is_file() else None
    except (RuntimeError, OSError):  # no such user; a name too long
        return None


@cache
def gallery() -> Mapping[str, Style]:
    """The styles that are one picture with an address of its own in configs/style/, by name."""
    styles = {}
    for path in sorted((CONFIGS / "style").glob("*.yaml")):
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        settings.pop("defaults", None)  # which tells Hydra that it is a Style
        if settings.get("image", "???") != "???":  # neither a blend nor a picture yet to be given
            styles[path.stem] = Style(**settings)
    return MappingProxyType(styles)


def check_name(name: str) -> None:
    """Raise InputError unless a style of that name can have a file of that name."""
    if Path(name).name != name or not name.strip("."):
        raise InputError(f"style.name={name!r} must be able to name a file: no / in it")

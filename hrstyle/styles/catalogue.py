"""Finding styles: the paintings to train on."""

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
from hrstyle.styles.names import check_name, check_text
from hrstyle.styles.pictures import (
    existing_file,
    file_of,
    is_address,
    name_after,
    sources_of,
)
from hrstyle.styles.trained import BASE

if TYPE_CHECKING:
    from torch import Tensor

_PACKAGE = Path(__file__).parents[1]
_INSTALLED = (_PACKAGE / "configs" / "train.yaml").is_file()
CONFIGS = (_PACKAGE if _INSTALLED else _PACKAGE.parent) / "configs"
"""Folder of the YAML files: inside an installed package; beside the package in a checkout."""

LARGEST_SIDE = 640
"""Pixels of a painting's longer side, at most, if its style gives no `size`."""


@dataclass(frozen=True, kw_only=True)
class Style:
    """A painting to train on, or several that make one style: the mean of their targets.

    Args:
        image: path or http(s) address of a picture, or the name of a bundled one; a folder of
            pictures; or a list of these. A download is stored in the user's cache; see
            `hrstyle.styles.download.fetch`.
        name: name of the trained style.
        sha256: hash that the download must have; only for a single picture. Local files are not
            checked.
        member: path of the picture in a zip archive (such as a wheel), if the address gives one.
        crop: left, top, right and bottom of the part to use, as shares of width and height. Cuts
            off frames and margins.
        size: length of the part's longer side in pixels for the loss network; the picture is
            reduced or enlarged to it. The trained strokes are as large as they are at this size.
            None keeps the picture's size, up to `LARGEST_SIDE`.
        style_weight: how heavily the photo is painted, see `PerceptualLoss`.
        clean: remove canvas grain and JPEG noise by the brush filter (`hrstyle.painting.enlarge`).
            Otherwise a network learns to paint them.
        title, artist, year, source, licence: credit.

    Raises:
        InputError: an impossible size, crop or name.
    """

    image: str | Sequence[str]
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
        check_text(self.credit)
        if self.sha256 and not isinstance(self.image, str):
            raise InputError("style.sha256 is for a single style.image, not for a list")
        left, top, right, bottom = self.crop if len(self.crop) == 4 else (1, 1, 0, 0)
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise InputError(
                f"style.crop={list(self.crop)} must be left, top, right and bottom as shares of the"
                " picture's width and height, such as [0.1,0,1,0.9]"
            )

    @property
    def parts(self) -> list["Style"]:
        """The style as a list of one, as in `StyleSet.parts`."""
        return [self]

    @property
    def credit(self) -> str:
        """Title, artist and year, as far as they are known."""
        return ", ".join(str(x) for x in (self.title, self.artist, self.year) if x)

    @property
    def path(self) -> Path:
        """The file of the picture, or of the first of several; see `pictures.file_of`."""
        return file_of(self._sources[0], sha256=self.sha256, member=self.member)

    @cached_property
    def _sources(self) -> list[str]:
        return sources_of(self.image)

    def picture(self, at_least: int | None = None) -> PILImage:
        """The cropped picture, or the first of several, at its full size: RGB.

        Args:
            at_least: pixels of the part's shorter side that are enough, see `open_image`.

        Raises:
            InputError: see `pictures.file_of`; or a file that is not a picture.
        """
        return self._read(self._sources[0], at_least)

    def _read(self, source: str, at_least: int | None) -> PILImage:
        path = file_of(source, sha256=self.sha256, member=self.member)
        left, top, right, bottom = self.crop
        part = min(right - left, bottom - top)
        try:
            image = to_rgb(open_image(path, at_least=at_least and math.ceil(at_least / part)))
        except InputError as error:
            if is_address(source):  # name the address, not the file in the cache
                path.unlink(missing_ok=True)  # or the next call would use the bad file again
                raise InputError(f"{source}: {error}") from error
            raise
        width, height = image.size
        return image.crop(
            (round(left * width), round(top * height), round(right * width), round(bottom * height))
        )

    def load(self) -> "Tensor":
        """The first of `load_all`."""
        return self._load(self._sources[0])

    def load_all(self) -> "list[Tensor]":
        """The cropped and cleaned pictures at their `size`: each `(1, 3, H, W)` in [0, 1].

        Raises:
            InputError: see `path`; or a file that is not a picture, or is too small.
        """
        return [self._load(source) for source in self._sources]

    def _load(self, source: str) -> "Tensor":
        image = self._read(source, 2 * (self.size or LARGEST_SIDE))
        longer = max(image.size)
        size = self.size or min(longer, LARGEST_SIDE)
        width, height = (round(side * size / max(longer, 1)) for side in image.size)
        if min(width, height) < 16:
            raise InputError(
                f"{source}: {width}x{height} pixels at style.size={size} are too few for VGG19;"
                " both sides need 16"
            )
        image = image.resize((width, height), reducing_gap=2)
        if self.clean:
            image = Image.fromarray(brushed(np.asarray(image), (height, width)))
        from hrstyle.images.tensors import (
            to_tensor,  # loads torch, which the other methods do not need
        )

        return to_tensor(image)


@dataclass(frozen=True, kw_only=True)
class StyleSet:
    """Several styles to train jointly (`hrstyle.train.shared`).

    Args:
        name: name of the set.
        pictures: the styles, under any keys. Their names must differ from each other, from the
            set's and from `base`, which names the file of their mean.
        style_weight: factor for the style weight of every style.

    Raises:
        InputError: an impossible name, the same name twice, or no pictures.
    """

    name: str
    pictures: Mapping[str, Style]
    style_weight: float = 1.0

    def __post_init__(self) -> None:
        check_name(self.name)
        found = [style.name for style in self.parts]
        if not found or len(set(found)) < len(found) or {self.name, BASE} & set(found):
            raise InputError(
                f"style.pictures must have at least one style, each of another name, and none named"
                f" {self.name!r} or {BASE!r}; it has {', '.join(found) or 'nothing'}"
            )

    @property
    def parts(self) -> list[Style]:
        """The styles."""
        return list(self.pictures.values())

    @property
    def credit(self) -> str:
        """Title, artist and year of all styles, as far as they are known."""
        return "; ".join(style.credit for style in self.parts if style.credit)


def find(source: str | os.PathLike[str]) -> Style:
    """The style for a name of the gallery, or for the path or address of any picture.

    Raises:
        InputError: none of these; the message lists the names.
    """
    name = str(source)
    if is_address(name):
        return Style(image=name, name=name_after(name))
    if path := existing_file(name):
        # Absolute, because a relative path may equal a bundled picture's name.
        return Style(image=str(path.resolve()), name=name_after(name))
    if name not in gallery():
        raise InputError(
            f"no picture or style named {name!r}; give the path of a picture, or one of"
            f" {', '.join(gallery())}"
        )
    return gallery()[name]


@cache
def gallery() -> Mapping[str, Style]:
    """The styles in configs/style/ that are a single picture with an `image`, by name.

    They are read by PyYAML, because OmegaConf takes a tenth of a second to import.
    """
    styles = {}
    for path in sorted((CONFIGS / "style").glob("*.yaml")):
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        settings.pop("defaults", None)  # only Hydra needs it
        if settings.get("image", "???") != "???":  # neither a blend nor an empty template
            styles[path.stem] = Style(**settings)
    return MappingProxyType(styles)

"""The named styles that come with the package: their weights and their pictures."""

from dataclasses import dataclass
from pathlib import Path

import torch

from hrstyle.errors import InputError
from hrstyle.images import open_image, to_rgb, to_tensor

WEIGHTS = Path(__file__).parent / "weights"
PICTURES = Path(__file__).parent / "pictures"


def names() -> list[str]:
    """The styles that can repaint at once, because their trained weights come along."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def picture_names() -> list[str]:
    """The paintings that come along to train on."""
    return sorted(path.stem for path in PICTURES.glob("*.jpg"))


def weights_path(name: str) -> Path:
    """File of a bundled style's weights.

    Raises:
        InputError: no such style; the message lists the known ones.
    """
    if name not in names():
        raise InputError(
            f"no style or file named {name!r}; the styles are {', '.join(names())}, or give the"
            " path of a trained .safetensors or .ckpt file"
        )
    return WEIGHTS / f"{name}.safetensors"


@dataclass(frozen=True, kw_only=True)
class Style:
    """A painting to train on.

    Args:
        image: path of a picture, or the name of one that comes with the package.
        name: what the trained style is called.
        size: length of its longer side in pixels when the loss network looks at it. Strokes come
            out as large as they are at this size; a smaller picture is not enlarged.
        title, artist, year, source, status: credit.
    """

    image: str
    name: str
    size: int = 640
    title: str | None = None
    artist: str | None = None
    year: int | None = None
    source: str | None = None
    status: str | None = None

    def __post_init__(self) -> None:
        if self.size < 32:
            raise InputError(f"style.size={self.size} is too small for VGG19; take at least 32")
        if Path(self.name).name != self.name or not self.name.strip("."):
            raise InputError(f"style.name={self.name!r} must be able to name a file: no / in it")

    @property
    def path(self) -> Path:
        """The picture's file: the path itself, or that of a bundled picture."""
        if self.image in picture_names():
            return PICTURES / f"{self.image}.jpg"
        path = Path(self.image).expanduser()
        if not path.is_file():
            raise InputError(
                f"no style picture {self.image!r}: it is neither a file nor one of the bundled"
                f" pictures ({', '.join(picture_names())})"
            )
        return path

    def load(self) -> torch.Tensor:
        """The picture at `size`: `(1, 3, H, W)` in [0, 1]."""
        image = to_rgb(open_image(self.path))
        image.thumbnail((self.size, self.size))
        if min(image.size) < 16:
            raise InputError(
                f"{self.path}: {image.width}x{image.height} pixels at style.size={self.size} are"
                " too few for VGG19; both sides need 16"
            )
        return to_tensor(image)

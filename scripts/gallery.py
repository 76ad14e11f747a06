"""What the scripts about the gallery share: its styles, as their YAML files describe them."""

from dataclasses import replace
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from hrstyle.styles import BASE, Style
from hrstyle.train.__main__ import config_folder, register_signatures


def style_names() -> list[str]:
    """Every style with a YAML but the base, and the one for pictures of one's own."""
    folder = Path(__file__).parents[1] / "configs" / "style"
    return [p.stem for p in sorted(folder.glob("*.yaml")) if p.stem not in (BASE, "custom")]


def gallery(pictures: Path | None = None) -> dict[str, Style]:
    """The styles by name; with `pictures`, from `<name>.jpg` in there where it exists."""
    register_signatures()
    styles = {}
    with initialize_config_dir(config_folder(), version_base="1.3"):
        for name in style_names():
            style: Style = instantiate(compose("train", [f"style={name}"]).style, _convert_="all")
            path = pictures / f"{name}.jpg" if pictures else None
            styles[name] = replace(style, image=str(path)) if path and path.is_file() else style
    return styles


def picture_settings(name: str, folder: Path | None) -> list[str]:
    """Settings that take the pictures from `folder` (`<style>.jpg`) instead of fetching them."""
    if folder is None:
        return []
    if name != BASE:
        path = (folder / f"{name}.jpg").resolve()
        return [f"style.image={path}"] if path.is_file() else []
    paths = [(part, (folder / f"{part}.jpg").resolve()) for part in style_names()]
    return [f"style.pictures.{part}.image={path}" for part, path in paths if path.is_file()]

"""Imports point one way: entry points -> training, inference -> losses, vgg, generator, images."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hrstyle

ROOT = Path(hrstyle.__file__).parent
# Each module may import those before it.
ORDER = [
    "errors",
    "compiled",
    "metadata",
    "images",
    "tensors",
    "saving",
    "download",
    "strokes",
    "pipeline",
    "brush",
    "blending",
    "animation",
    "outputs",
    "sheets",
    "generator",
    "paper",
    "winograd",
    "vgg",
    "nearest",
    "losses",
    "styles",
    "checkpoint",
    "mixing",
    "engine.devices",
    "engine.threads",
    "engine.layers",
    "engine.sweeps",
    "engine.row_buffers",
    "engine.moments",
    "engine.streaming",
    "engine.onnx",
    "engine.openvino",
    "engine.memory",
    "engine.painter",
    "engine",
    "export",
    "inference",
    "refinement",
    "quick",
    "batch",
    "optimization.gradient_descent",
    "optimization.coarse_to_fine",
    "optimization",
    "generation",
    "video.reading",
    "video.writing",
    "video.steady",
    "video.repainting",
    "video",
    "web",
    "web.studio",
    "web.page",
    "web.server",
    "entry",
    "repaint.photos",
    "repaint.module",
    "repaint.run",
    "repaint",
    "repaint.__main__",
    "train.memory",
    "train.data",
    "train.module",
    "train.shared",
    "train.callbacks",
    "train.run",
    "train",
    "train.__main__",
    "cli.options",
    "cli.stylize",
    "cli.optimize",
    "cli.export",
    "cli.styles",
    "cli.video",
    "cli.serve",
    "cli.completion",
    "cli",
    "__main__",
]


def module_name(path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


FILES = {module_name(p): p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py"}


def test_every_module_has_its_place():
    assert sorted(FILES) == sorted(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_imports_point_one_way(name):
    imported = set()
    for node in ast.walk(ast.parse(FILES[name].read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hrstyle"):
            parent = node.module.removeprefix("hrstyle").removeprefix(".")
            for alias in node.names:
                child = f"{parent}.{alias.name}".removeprefix(".")
                imported.add(child if child in FILES else parent)
    before = set(ORDER[: ORDER.index(name)])
    assert imported - {""} <= before
    if name.startswith("train"):
        assert "inference" not in imported
    if name.startswith(("cli", "web")) or name == "inference":
        assert not any(module.startswith("train") for module in imported)


def loaded_after(statement):
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_importing_hrstyle_is_light():
    assert not {"torch", "pytorch_lightning", "hydra"} & loaded_after("import hrstyle")
    using = "import hrstyle; hrstyle.load('starry_night')"
    assert not {"pytorch_lightning", "hydra", "torchvision"} & loaded_after(using)


def test_public_names():
    for name in hrstyle.__all__:
        assert getattr(hrstyle, name).__doc__
    with pytest.raises(AttributeError, match="no attribute"):
        _ = hrstyle.missing

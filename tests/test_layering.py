"""What may import what, see [tool.importlinter] in pyproject.toml; and what loads nothing heavy."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import hrstyle
from hrstyle.styles import BASE, WEIGHTS

FOLDERS = ("engine", "images", "painting", "generator", "optimization", "styles")
HEAVY = {"torch", "torchvision", "pytorch_lightning", "hydra"}


def test_imports_point_one_way():
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--no-cache"]
    root = Path(hrstyle.__file__).parents[1]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def loaded_after(statement):
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import hrstyle",
        "import hrstyle; hrstyle.list_styles(); dir(hrstyle); hrstyle.StylizeOptions(size=9)",
        "import hrstyle.cli, hrstyle.cli.quick, hrstyle.cli.batch",
        "import hrstyle.engine.compiled, hrstyle.painting.enlarge",
        "from hrstyle.images import open_image, plan_outputs, save_image, write_animation",
        "from hrstyle.painting import brushed, strokes_for",
        "from hrstyle.styles import gallery; gallery()",
    ],
)
def test_nothing_heavy_is_loaded_by_what_is_light(statement):
    assert not HEAVY & loaded_after(statement)


@pytest.mark.slow
@pytest.mark.parametrize("command", [["--help"], ["styles"]])
def test_commands_that_wait_for_nothing(command):
    code = f"""
import sys
from hrstyle.cli import main
try:
    main({command!r})
except SystemExit:
    pass
assert not {HEAVY!r} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_painting_needs_no_training():
    using = "import hrstyle; hrstyle.load('starry_night')"
    assert not {"pytorch_lightning", "hydra", "torchvision"} & loaded_after(using)


def test_public_names_are_documented():
    for name in hrstyle.__all__:
        assert getattr(hrstyle, name).__doc__
    assert set(hrstyle.__all__) <= set(dir(hrstyle))
    with pytest.raises(AttributeError, match="missing"):
        _ = hrstyle.missing


def test_the_styles_are_listed():
    files = [path.stem for path in WEIGHTS.glob("*.safetensors")]
    assert hrstyle.list_styles() == sorted(set(files) - {BASE})


@pytest.mark.parametrize("folder", FOLDERS)
def test_public_names_of_folders_are_no_modules(folder):
    package = import_module(f"hrstyle.{folder}")
    for name in package.__all__:
        # A module of that name would come in its stead, or not, by what was imported before.
        assert not isinstance(getattr(package, name), ModuleType)
        assert not (Path(package.__file__).parent / f"{name}.py").exists()
    with pytest.raises(AttributeError, match="missing"):
        _ = package.missing

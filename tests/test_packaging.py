"""The wheel, installed in an empty virtual environment, does the whole job from another folder.

Building and installing it are the only tests that ask the package index for anything.
"""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def call(*command, cwd):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_wheel_holds_configs_weights_and_pictures_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for path in [
        *ROOT.glob("configs/**/*.yaml"),
        *ROOT.glob("hrstyle/**/*.py"),
        *ROOT.glob("hrstyle/**/*.yaml"),
    ]:
        relative = path.relative_to(ROOT).as_posix()
        assert (relative if relative.startswith("hrstyle") else f"hrstyle/{relative}") in names
    for name in ("weights/starry_night.safetensors", "pictures/starry_night.jpg", "py.typed"):
        assert f"hrstyle/{name}" in names
    assert not [name for name in names if "test" in name]


@pytest.mark.slow
def test_fresh_environment(wheel, tmp_path):
    call(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    call(scripts / "python", "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)

    painted = tmp_path / "painted.png"
    # Where the README's first line finds its photo.
    (code,) = re.findall(r"python -c '(.+?)'", (ROOT / "README.md").read_text())
    folder = subprocess.check_output([scripts / "python", "-c", code], text=True, cwd=tmp_path)
    photo = Path(folder.strip()) / "chelsea.png"
    call(
        scripts / "hrstyle", "stylize", photo, "-o", painted, "--style", "starry_night",
        cwd=tmp_path,
    )  # fmt: skip
    assert painted.is_file()

    call(
        scripts / "python", "-m", "hrstyle.train", "style=starry_night", "trainer.max_steps=2",
        "data.size=64", "style.size=128",
        cwd=tmp_path,
    )  # fmt: skip
    # `python -m` puts the current folder first, so in a checkout it runs the source.
    call(scripts / "python", "-m", "hrstyle.train", "style=starry_night", "--cfg", "job", cwd=ROOT)
    weights = tmp_path / "runs" / "starry_night" / "starry_night.safetensors"
    call(
        scripts / "python", "-m", "hrstyle", "stylize", photo, "-o", painted, "--style", weights,
        "--overwrite", cwd=tmp_path,
    )  # fmt: skip

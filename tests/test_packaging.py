"""The wheel, installed in an empty virtual environment, does the whole job from another folder.

Building and installing it are the only tests that ask the package index for anything.
"""

import ast
import os
import re
import subprocess
import sys
import tomllib
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
    for name in (
        "styles/weights/starry_night.safetensors",
        "styles/paintings/starry_night.jpg",
        "py.typed",
    ):
        assert f"hrstyle/{name}" in names
    assert not [name for name in names if "test" in name]


@pytest.mark.slow
def test_the_wheel_paints_in_a_fresh_environment(wheel, tmp_path):
    call(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    install = ("-m", "pip", "install", "--quiet", "--no-deps", wheel)
    call(scripts / "python", *install, cwd=tmp_path)
    # What it depends on is taken from here: to install it again would take minutes.
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = call(scripts / "python", "-c", code, cwd=tmp_path).stdout.strip()
    Path(own, "dependencies.pth").write_text(
        "\n".join(path for path in sys.path if path.endswith("site-packages"))
    )

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


# Packages whose import has another name.
IMPORTED_AS = {
    "hydra-core": "hydra", "pillow": "PIL", "pyyaml": "yaml", "scikit-image": "skimage",
    "av": "av", "opencv-python-headless": "cv2",
}  # fmt: skip
# What these bring along and re-export.
BROUGHT = ("lightning_fabric", "omegaconf", "gradio_client", "starlette")
EXTRAS = {
    "video": "video",
    "web": "web",
    "cli/completion.py": "completion",
    "engine/exporting.py": "export",
}


def names_of(requirements):
    names = [re.match(r"[\w-]+", requirement)[0] for requirement in requirements]
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in names}


@pytest.mark.slow
def test_what_is_imported_is_a_declared_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    always = names_of(project["dependencies"]) | {"hrstyle"} | set(BROUGHT)
    for path in (ROOT / "hrstyle").rglob("*.py"):
        place = path.relative_to(ROOT / "hrstyle").as_posix()
        extra = [name for start, name in EXTRAS.items() if place.startswith(start)]
        allowed = always | names_of(project["optional-dependencies"][extra[0]] if extra else [])
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            tops = {module.split(".")[0] for module in modules}
            assert tops - allowed - set(sys.stdlib_module_names) == set(), place

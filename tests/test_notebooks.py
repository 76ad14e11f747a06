"""The code of every notebook runs from top to bottom, with small numbers for its parameters."""

import json
import warnings
from pathlib import Path

import pytest

SMALL = {"STEPS": 2, "SIZE": 64, "PAIRS": [("rocket.jpg", "chelsea.png")]}
NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_start_to_end(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert cells
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names = {}
    with warnings.catch_warnings():
        # A reader sees Lightning's advice on log_every_n_steps for so short a run.
        warnings.filterwarnings("ignore", message="The number of training batches")
        for cell in cells:
            exec(compile("".join(cell["source"]), str(path), "exec"), names)
            if "parameters" in cell["metadata"].get("tags", ()):
                names.update({name: small for name, small in SMALL.items() if name in names})

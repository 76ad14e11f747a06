"""What the pages say can be done: links lead somewhere, examples run."""

import re
import shlex
from pathlib import Path

import pytest

from hrstyle.cli import build_parser, main
from hrstyle.images import open_image

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "hrstyle").rglob("*.md")),
    *sorted((ROOT / "scripts").rglob("*.md")),
]


def anchors(page):
    """The addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_the_readme_can_be_read_in_a_few_minutes():
    assert len(README.encode()) <= 9000


@pytest.fixture
def place(tmp_path, photo, monkeypatch):
    """A folder with what the examples name."""
    picture = open_image(photo).resize((72, 48))
    (tmp_path / "holiday" / "beach").mkdir(parents=True)
    for name in ("photo.jpg", "my_painting.jpg", "holiday/a.jpg", "holiday/beach/b.png"):
        picture.save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands():
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL))
    return [line for line in shell.splitlines() if line.startswith("hrstyle ")]


@pytest.mark.slow
@pytest.mark.parametrize("line", [c for c in commands() if "runs/" not in c])
def test_the_commands_of_the_readme_run(line, place):
    arguments = shlex.split(line.split(" > ")[0], comments=True)[1:]
    # These need a clip, a browser, a package: see their own tests.
    if arguments[0] in ("video", "serve", "completion"):
        build_parser().parse_args(arguments)
        return
    if arguments[0] == "optimize":
        arguments += ["--steps", "2", "--size", "48"]
    before = set(place.rglob("*"))
    main(arguments)
    made = set(place.rglob("*")) - before
    assert made
    assert not [p for p in made if ".tmp" in p.name]


@pytest.mark.slow
def test_the_python_of_the_readme_runs(place):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert "steps=200" in code
    exec(code.replace("steps=200", "steps=2, size=48"), {})
    for name in ("painted.png", "optimised.png", "photo-starry_night.png"):
        open_image(place / name)

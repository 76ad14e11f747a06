import io

import numpy as np
import pytest
from PIL import Image
from test_images_animation import DURATIONS, frames, read, saved

from hrstyle.cli.batch import repaint_files
from hrstyle.engine import Painter
from hrstyle.engine.options import DEFAULTS, StylizeOptions
from hrstyle.errors import NonFiniteError
from hrstyle.images import Job, open_image


def test_photos_and_animations_are_repainted_into_their_files(stylizer, tmp_path):
    photo = tmp_path / "photo.png"
    Image.linear_gradient("L").resize((50, 30)).save(photo)
    moves = saved(tmp_path / "moves.gif", frames())
    (tmp_path / "bad.jpg").write_text("no picture")
    jobs = [
        Job(moves, tmp_path / "out.webp", animated=True),
        Job(tmp_path / "bad.jpg", tmp_path / "bad.png"),
        Job(photo, tmp_path / "out.png"),
    ]
    outcomes = list(repaint_files(stylizer, jobs, strip=True, options=StylizeOptions(size=30)))
    assert [outcome.source for outcome in outcomes] == [tmp_path / "bad.jpg", photo, moves]
    assert "bad.jpg" in str(outcomes[0].error)
    assert [(o.size, o.frames) for o in outcomes[1:]] == [((30, 18), 1), ((30, 20), 5)]
    assert np.array_equal(open_image(tmp_path / "out.png"), stylizer.stylize(photo, size=30))
    file_format, durations, _, pixels = read(tmp_path / "out.webp")
    assert (file_format, durations) == ("WEBP", DURATIONS)
    expected = np.stack([np.asarray(stylizer.stylize(f, size=30), int) for f in frames()])
    assert np.abs(pixels[..., :3] - expected).mean() < 8
    assert not list(tmp_path.glob(".*"))  # of what is written first


def test_an_open_file_is_repainted_into_a_stream(stylizer, tmp_path):
    moves, to = saved(tmp_path / "moves.png", frames()), io.BytesIO()
    job = Job(io.BytesIO(moves.read_bytes()), tmp_path / "x.gif", animated=True)
    [outcome] = repaint_files(stylizer, [job], to=to, options=StylizeOptions())
    assert (outcome.error, outcome.frames) == (None, 5)
    assert read(to)[:2] == ("GIF", DURATIONS)
    assert not (tmp_path / "x.gif").exists()


def test_an_animation_that_is_cut_off_leaves_nothing(stylizer, tmp_path):
    moves = saved(tmp_path / "moves.png", frames())
    moves.write_bytes(moves.read_bytes()[:-200])
    job = Job(moves, tmp_path / "x.gif", animated=True)
    [outcome] = repaint_files(stylizer, [job], options=StylizeOptions())
    assert "damaged at frame" in str(outcome.error)
    assert not list(tmp_path.glob("*x.gif*"))


@pytest.mark.parametrize("error", [RuntimeError("no\nmemory"), MemoryError(), NonFiniteError("x")])
def test_a_photo_that_fails_does_not_end_the_others(stylizer, tmp_path, monkeypatch, error):
    for name in ("a", "b", "c"):
        Image.new("RGB", (30 if name == "b" else 20, 10)).save(tmp_path / f"{name}.png")
    paint = Painter.paint_strokes

    def fail(self, picture, *, size, **how):
        if size[1] in (30, 60):
            raise error
        return paint(self, picture, size=size, **how)

    monkeypatch.setattr(Painter, "paint_strokes", fail)
    jobs = [Job(tmp_path / f"{name}.png", tmp_path / f"{name}.jpg") for name in ("a", "b", "c")]
    moves = Job(saved(tmp_path / "m.gif", frames()), tmp_path / "m.webp", animated=True)
    outcomes = list(repaint_files(stylizer, [moves, *jobs], options=DEFAULTS))
    assert [outcome.error for outcome in outcomes] == [None, error, None, error]
    assert {path.name for path in tmp_path.glob("?.[jw]*")} == {"a.jpg", "c.jpg"}


def test_what_cannot_be_written_is_told_before_anything_is_painted(stylizer, tmp_path, monkeypatch):
    Image.new("RGBA", (8, 8)).save(tmp_path / "clear.png")
    Image.new("L", (16384, 1)).save(tmp_path / "wide.png")
    Image.new("L", (8, 8)).save(tmp_path / "good.png")
    names = {"good": "jpg", "clear": "jpg", "wide": "webp"}
    jobs = [Job(tmp_path / f"{name}.png", tmp_path / f"{name}.{x}") for name, x in names.items()]
    outcomes = repaint_files(stylizer, jobs, options=DEFAULTS)
    monkeypatch.setattr(Painter, "paint_strokes", None)
    assert "cannot hold transparency" in str(next(outcomes).error)
    assert "16383 pixels a side" in str(next(outcomes).error)
    monkeypatch.undo()
    [good] = outcomes
    assert good.error is None

import io

import numpy as np
from PIL import Image
from test_images_animation import DURATIONS, frames, read, saved

from hrstyle.cli.batch import repaint_files
from hrstyle.images import open_image
from hrstyle.options import StylizeOptions


def test_photos_and_animations_are_repainted_into_their_files(stylizer, tmp_path):
    photo = tmp_path / "photo.png"
    Image.linear_gradient("L").resize((50, 30)).save(photo)
    moves = saved(tmp_path / "moves.gif", frames())
    (tmp_path / "bad.jpg").write_text("no picture")
    jobs = [
        (moves, tmp_path / "out.webp"),
        (tmp_path / "bad.jpg", tmp_path / "bad.png"),
        (photo, tmp_path / "out.png"),
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
    job = (io.BytesIO(moves.read_bytes()), tmp_path / "x.gif")
    [outcome] = repaint_files(stylizer, [job], to=to, options=StylizeOptions())
    assert (outcome.error, outcome.frames) == (None, 5)
    assert read(to)[:2] == ("GIF", DURATIONS)
    assert not (tmp_path / "x.gif").exists()


def test_an_animation_that_is_cut_off_leaves_nothing(stylizer, tmp_path):
    moves = saved(tmp_path / "moves.png", frames())
    moves.write_bytes(moves.read_bytes()[:-200])
    [outcome] = repaint_files(stylizer, [(moves, tmp_path / "x.gif")], options=StylizeOptions())
    assert "damaged at frame" in str(outcome.error)
    assert not list(tmp_path.glob("*x.gif*"))

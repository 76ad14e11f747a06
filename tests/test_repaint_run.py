"""A folder of photos in, a folder of results out."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

import hrstyle
from hrstyle.checkpoint import save_weights
from hrstyle.engine.options import StylizeOptions
from hrstyle.errors import InputError
from hrstyle.generator import pyramid
from hrstyle.images import open_image, save_image
from hrstyle.repaint import __main__ as entry, repaint
from hrstyle.repaint.photos import Photos

QUIET = partial(pl.Trainer, accelerator="cpu", enable_progress_bar=False)


@pytest.fixture(scope="module")
def style(tmp_path_factory):
    path = tmp_path_factory.mktemp("style") / "tiny.safetensors"
    save_weights(path, pyramid(channels=(2, 2), blocks=(0,)), style="tiny")
    return str(path)


def photo_of(number, size=(24, 16)):
    noise = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.fixture
def photos(tmp_path):
    """A folder with everything that folders have; two of its files cannot be read."""
    folder = tmp_path / "photos"
    for number, name in enumerate(
        ["a.jpg", "a.png", "a.gif", "b.PNG", "deep/er/a.png", "deep/c d.png", "ü.webp"]
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        photo_of(number).save(path)
    (folder / "cut.png").write_bytes((folder / "a.png").read_bytes()[:500])
    (folder / "deep" / "text.jpg").write_text("no picture")
    (folder / "notes.txt").write_text("no photo")
    return folder


RESULTS = ["a.gif.png", "a.jpg", "a.png", "b.PNG", "deep/c d.png", "deep/er/a.png", "ü.webp"]


def files_in(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name: data for name, data in names.items() if name[0] not in ".f"}


def failures_in(folder):
    lines = (folder / "failed.jsonl").read_text().splitlines()
    return {entry["photo"]: entry["error"] for entry in map(json.loads, lines)}


def call(style, photos, output, **settings):
    data = Photos(str(photos), str(output))
    return repaint(style=style, data=data, trainer=QUIET, **settings)


def test_every_photo_has_its_result_and_failures_are_named(style, photos, tmp_path):
    out = tmp_path / "out"
    assert call(style, photos, out) == {"repainted": 7, "skipped": 0, "failed": 2}
    assert sorted(files_in(out)) == RESULTS
    failures = failures_in(out)
    assert sorted(failures) == [str(photos / "cut.png"), str(photos / "deep" / "text.jpg")]
    assert all(name in error for name, error in failures.items())
    alone = hrstyle.load(style, device="cpu")
    for name in RESULTS:
        source = photos / name.removesuffix(".png") if name == "a.gif.png" else photos / name
        save_image(alone.stylize(open_image(source)), tmp_path / f"x{out.joinpath(name).suffix}")
        assert (tmp_path / f"x{out.joinpath(name).suffix}").read_bytes() == files_in(out)[name]


def test_a_second_start_does_the_rest(style, photos, tmp_path):
    out = tmp_path / "out"
    for name in ("cut.png", "deep/text.jpg"):
        (photos / name).unlink()
    assert call(style, photos, out) == {"repainted": 7, "skipped": 0, "failed": 0}
    before = files_in(out)
    (out / "a.png").unlink()
    (out / "a.jpg").write_bytes(b"looked at, not made again")
    assert call(style, photos, out) == {"repainted": 1, "skipped": 6, "failed": 0}
    assert files_in(out) == before | {"a.jpg": b"looked at, not made again"}
    assert not (out / "failed.jsonl").exists()


def test_results_of_two_settings_do_not_mix(style, photos, tmp_path):
    out = tmp_path / "out"
    (photos / "cut.png").unlink()
    (photos / "deep" / "text.jpg").unlink()
    call(style, photos, out, save={"quality": 90})
    with pytest.raises(
        InputError, match=r'other settings .*"quality": 90.*delete .*\.hrstyle\.json'
    ):
        call(style, photos, out, save={"quality": 80})


def test_results_of_two_networks_in_one_file_do_not_mix(tmp_path):
    style, photos, out = tmp_path / "mine.safetensors", tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    photo_of(1).save(photos / "a.png")
    save_weights(style, pyramid(channels=(2, 2), blocks=(0,)), style="mine")
    call(str(style), photos, out)
    record = out / ".hrstyle.json"
    settings = json.loads(record.read_text())
    del settings["weights"]
    record.write_text(json.dumps(settings))  # as an older version wrote it
    assert call(str(style), photos, out)["skipped"] == 1
    save_weights(style, pyramid(channels=(2, 2), blocks=(0,)), style="mine")
    with pytest.raises(InputError, match="other settings or weights"):
        call(str(style), photos, out)


@pytest.mark.slow
def test_settings_are_the_same_from_python_and_from_the_command(
    style, photos, tmp_path, call_entry, capsys
):
    out = tmp_path / "out"
    settings = [f"style={style}", f"data.root={photos}", f"output={out}", "trainer.accelerator=cpu"]
    call(style, photos, out, stylize=StylizeOptions(keep_colours=1), load={"dtype": torch.float32})
    given = json.loads((out / ".hrstyle.json").read_text())
    assert given == given | {"dtype": "float32", "engine": "auto", "quality": None, "strip": False}
    # Two photos fail again, but the settings are the same.
    assert (
        call_entry(entry.main, *settings, "stylize.keep_colours=true") == 2
    )  # two photos fail again
    assert "2 of 9 photos could not be repainted" in capsys.readouterr().err
    assert call_entry(entry.main, *settings, "stylize.keep_colours=0.5") == 2
    assert "other settings" in capsys.readouterr().err
    assert call(style, photos, tmp_path / "new")["repainted"] == 7
    settings[2] = f"output={tmp_path / 'new'}"
    assert call_entry(entry.main, *settings) == 2
    said = capsys.readouterr().err
    assert re.search(r"2 of 9 photos could not be repainted; .*new/failed\.jsonl names them$", said)


def test_a_damaged_record_of_the_settings_is_refused(style, photos, tmp_path):
    (tmp_path / "out").mkdir()
    for damaged in (b"{", b"\xff\xfe{"):
        (tmp_path / "out" / ".hrstyle.json").write_bytes(damaged)
        with pytest.raises(InputError, match=r"delete .*\.hrstyle\.json"):
            call(style, photos, tmp_path / "out")


@pytest.mark.slow
def test_a_mask_is_told_from_others_by_its_pixels(style, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    photo_of(1).save(photos / "a.png")
    mask = np.zeros((100, 100))  # so large that its text leaves out the middle
    mask[:50] = 1
    Image.fromarray((mask * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    call(style, photos, out, stylize=StylizeOptions(mask=mask))
    for same in (mask.copy(), Image.open(tmp_path / "mask.png"), str(tmp_path / "mask.png")):
        counts = call(style, photos, out, stylize=StylizeOptions(mask=same))
        assert counts == {"repainted": 0, "skipped": 1, "failed": 0}
    mask[50, 50] = 1
    for other in (mask, None):
        with pytest.raises(InputError, match="other settings"):
            call(style, photos, out, stylize=StylizeOptions(mask=other))


def test_each_result_is_on_the_disk_before_it_has_its_name(style, tmp_path, monkeypatch):
    photos, out, synced = tmp_path / "photos", tmp_path / "out", []
    photos.mkdir()
    photo_of(1).save(photos / "a.png")

    def fsync(descriptor):
        synced.append((os.fstat(descriptor).st_ino, (out / "a.png").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    call(style, photos, out)
    assert ((out / "a.png").stat().st_ino, False) in synced


def test_the_output_may_lie_in_the_folder(style, photos):
    (photos / "cut.png").unlink()
    (photos / "deep" / "text.jpg").unlink()
    out = photos / "painted"
    for expected in ({"repainted": 7, "skipped": 0}, {"repainted": 0, "skipped": 7}):
        assert call(style, photos, out) == expected | {"failed": 0}
    assert sorted(files_in(out)) == RESULTS


def test_settings_reach_the_functions_they_name(style, photos, tmp_path):
    out = tmp_path / "out"
    data = Photos(str(photos), str(out), file_format="png")
    repaint(style=style, data=data, trainer=QUIET, stylize=StylizeOptions(size=12, strength=0))
    assert sorted(files_in(out))[:3] == ["a.gif.png", "a.jpg.png", "a.png"]
    assert open_image(out / "b.PNG").size == (12, 8)


@pytest.mark.slow
def test_a_photo_of_too_many_pixels(style, photos, tmp_path, call_entry, capsys, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)  # Pillow opens twice as many at most
    photo_of(9, (200, 100)).save(photos / "large.png")
    settings = [f"style={style}", f"data.root={photos}", f"output={tmp_path / 'out'}"]
    assert call_entry(entry.main, *settings, "data.max_pixels=19999") == 2
    assert not (tmp_path / "out" / "large.png").exists()
    (said,) = [e for p, e in failures_in(tmp_path / "out").items() if p.endswith("large.png")]
    assert "20,000 pixels" in said
    assert "data.max_pixels=20000" in said
    assert call_entry(entry.main, *settings, "data.max_pixels=20000") == 2  # the cut ones
    assert open_image(tmp_path / "out" / "large.png").size == (200, 100)
    assert call_entry(entry.main, *settings, "data.max_pixels=0") == 2
    assert "data.max_pixels=0 must be" in capsys.readouterr().err


@pytest.mark.slow
def test_a_disk_that_is_full_stops_it(style, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for number in range(20):
        photo_of(number, (300, 200)).save(photos / f"{number:02}.png")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limit[1]))  # more than what tests print
    try:
        with pytest.raises(InputError, match="cannot write .*png"):
            call(style, photos, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert not files_in(out)
    assert call(style, photos, out) == {"repainted": 20, "skipped": 0, "failed": 0}


def test_ctrl_c_ends_it_with_whole_results(style, photos, tmp_path):
    class Press(pl.Callback):
        def on_predict_batch_end(self, trainer, module, outputs, batch, batch_idx):
            if batch_idx == 2:
                signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    data = Photos(str(photos), str(tmp_path / "out"))
    with pytest.raises(KeyboardInterrupt):
        repaint(style=style, data=data, trainer=partial(QUIET, callbacks=[Press()]))
    assert signal.getsignal(signal.SIGINT) is before
    assert 0 < len(files_in(tmp_path / "out")) <= 3


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_photos(style, tmp_path):
    (tmp_path / "photos").mkdir()
    first = tmp_path / "photos" / "0.ppm"
    photo_of(0, (8, 8)).save(first)
    for number in range(1, 1000):
        (first.parent / f"{number}.ppm").hardlink_to(first)

    class Peak(pl.Callback):
        def on_predict_batch_end(self, trainer, module, outputs, batch, batch_idx):
            if batch_idx in (200, 999):
                peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    peaks = []
    data = Photos(str(first.parent), str(tmp_path / "out"))
    trainer = partial(QUIET, callbacks=[Peak()])
    assert repaint(style=style, data=data, trainer=trainer)["repainted"] == 1000
    assert peaks[1] - peaks[0] < 10_000 * (1 if sys.platform == "linux" else 1024)  # KB: 10 MB


def command(style, photos, output, *settings):
    return [
        *(sys.executable, "-m", "hrstyle.repaint", f"style={style}", f"data.root={photos}"),
        *(f"output={output}", "trainer.accelerator=cpu", *settings),
    ]


@pytest.mark.slow
def test_two_processes_write_what_one_writes(style, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one, two = tmp_path / "one", tmp_path / "two"
    assert call(style, photos, one)["failed"] == 2
    result = subprocess.run(
        command(style, photos, two, "trainer.devices=2"), capture_output=True, text=True
    )
    assert result.returncode == 2
    assert "distributed_backend=gloo" in result.stderr
    assert "7 repainted, 0 skipped, 2 failed" in result.stderr  # so none was done twice
    last = result.stderr.splitlines()[-1]
    assert last.startswith("hrstyle.repaint: 2 of 9 photos could not be repainted")
    assert files_in(two) == files_in(one)
    assert failures_in(two) == failures_in(one)


@pytest.mark.slow
def test_killed_and_started_again(style, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for number in range(40):
        photo_of(number, (900, 600)).save(photos / f"{number}.png", compress_level=0)
    with subprocess.Popen(
        command(style, photos, out), stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 120
        while len(list(out.glob("*.png"))) < 3:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    done = {path: path.read_bytes() for path in out.glob("*.png")}
    assert 3 <= len(done) < 40
    assert all(open_image(path).size == (900, 600) for path in done)
    counts = call(style, photos, out)
    assert counts == {"repainted": 40 - len(done), "skipped": len(done), "failed": 0}
    assert all(path.read_bytes() == data for path, data in done.items())


def test_what_would_fail_for_each_photo_is_said_at_once(style, photos, tmp_path):
    data = Photos(str(photos), str(tmp_path / "out"))
    with pytest.raises(InputError, match="10 processes for 9 photos"):
        repaint(style=style, data=data, trainer=partial(QUIET, devices=10))
    with pytest.raises(InputError, match="quality=900"):
        repaint(style=style, data=data, trainer=QUIET, save={"quality": 900})
    assert not (tmp_path / "out" / ".hrstyle.json").exists()

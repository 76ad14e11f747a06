"""scripts/train_on_gpu.py, at sizes that a CPU trains in a second."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import hrstyle
from hrstyle.checkpoint import load_generator
from hrstyle.errors import InputError
from hrstyle.images import open_image
from hrstyle.styles import WEIGHTS
from hrstyle.train.data import sample_path

SCRIPTS = Path(__file__).parents[1] / "scripts"
STYLES = ("manuscript", "starry_night")


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))


@pytest.fixture
def command(tmp_path):
    """Arguments that train two styles for three steps; photos and paintings are small."""
    for folder, pictures in (
        ("photos", ("astronaut.png", "rocket.jpg", "camera.png")),
        ("pictures", ("chelsea.png", "coffee.png")),
    ):
        (tmp_path / folder).mkdir()
        names = pictures if folder == "photos" else [f"{style}.jpg" for style in STYLES]
        for name, picture in zip(names, pictures, strict=True):
            small = open_image(sample_path(picture)).convert("RGB")
            small.thumbnail((96, 96))
            small.save(tmp_path / folder / name)
    return [
        *("--photos", tmp_path / "photos", "--pictures", tmp_path / "pictures"),
        *("--only", *STYLES, "--steps", "3", "--sizes", "48", "--batch-size", "1"),
    ]


@pytest.fixture
def train(monkeypatch, tmp_path, command):
    """Calls the script in this process, in a run folder of that name; its exit code."""
    import gallery
    import train_on_gpu

    monkeypatch.setattr(gallery, "STATE", tmp_path)  # start from the bundled weights
    monkeypatch.setattr(train_on_gpu, "PREVIEW", 64)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)

    def call(run, *options, output=True):
        run_dir = tmp_path / run
        own = ["--device", "cpu", "--run-dir", run_dir]
        own += ["--output", run_dir] if output else []
        arguments = ["train_on_gpu.py", *command, *own, *options]
        monkeypatch.setattr(sys, "argv", [str(argument) for argument in arguments])
        try:
            train_on_gpu.main()
        except SystemExit as stop:
            return stop.code
        return 0

    return call


def trained(folder, style):
    return load_generator(folder / f"{style}.safetensors")


def state(folder):
    """All that the next step would depend on."""
    return torch.load(folder / "state.pt", weights_only=True)


def assert_equal_weights(one, other, style):
    one, other = (state(folder)["styles"][style] for folder in (one, other))
    for key, value in one["weights"].items():
        assert torch.equal(value, other["weights"][key])
    for number, moments in one["adam"]["state"].items():
        for key, value in moments.items():
            assert torch.equal(value, other["adam"]["state"][number][key])


@pytest.mark.slow
def test_every_style_gets_weights_of_its_own_and_nothing_else_changes(train, tmp_path, capsys):
    before = {path: path.read_bytes() for path in WEIGHTS.iterdir()}
    assert train("run") == 0
    assert {path: path.read_bytes() for path in WEIGHTS.iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "pictures", "run"}
    files = {f"{style}.safetensors" for style in STYLES}
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} == files | {"state.pt", "preview.jpg"}
    for style in STYLES:
        ours, start = trained(folder, style), trained(WEIGHTS, style)
        assert (ours.style, ours.credit, ours.base) == (style, start.credit, start.base)
        moved = [
            (value - start.generator.state_dict()[key]).abs().max().item()
            for key, value in ours.generator.state_dict().items()
            if not key.startswith("to_rgb")  # which gets the painting's colours at the end
        ]
        # Adam's first three steps move a weight by the learning rate each, at most.
        assert 0 < max(moved) < 0.02
        hrstyle.load(folder / f"{style}.safetensors", device="cpu", engine="torch")
    assert open_image(folder / "preview.jpg").size == (3 * 260, 2 * 222)
    assert capsys.readouterr().out.splitlines()[-1].split(" | ")[1:4] == ["2", "1 of 48 px", "3"]


@pytest.mark.slow
def test_stopped_and_killed_it_ends_with_the_same_bits(train, tmp_path, monkeypatch):
    import train_on_gpu

    assert train("whole") == 0
    monkeypatch.setattr(train_on_gpu, "SAVE_SECONDS", 0)
    crops = train_on_gpu.Crops.__call__
    whole, parts = tmp_path / "whole", tmp_path / "parts"

    def interrupted(self, number):
        if number == 0:
            os.kill(os.getpid(), signal.SIGTERM)  # this round is finished
        if number == 2:
            raise MemoryError  # nothing of this round is saved
        return crops(self, number)

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        patch.setattr(train_on_gpu.Crops, "__call__", interrupted)
        assert train("parts") == train_on_gpu.INTERRUPTED
        assert state(parts)["step"] == 1
        with pytest.raises(MemoryError):
            train("parts")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert [path.name for path in parts.iterdir()] == ["state.pt"]
    assert state(parts)["step"] == 2
    assert train("parts") == 0
    for style in STYLES:
        assert_equal_weights(whole, parts, style)


@pytest.mark.slow
def test_a_style_is_trained_alike_whichever_others_are_and_installed(train, tmp_path, monkeypatch):
    import train_gallery

    assert train("both", "--steps", "2") == 0
    package = tmp_path / "package"
    package.mkdir()
    shutil.copy(WEIGHTS / "base.safetensors", package)
    monkeypatch.setattr(train_gallery, "WEIGHTS", package)
    assert train("alone", "--steps", "2", "--only", STYLES[1], output=False) == 0
    assert_equal_weights(tmp_path / "both", tmp_path / "alone", STYLES[1])
    installed, expected = (trained(at, STYLES[1]).generator for at in (package, tmp_path / "both"))
    for key, value in installed.state_dict().items():
        assert torch.equal(value, expected.state_dict()[key])


@pytest.mark.slow
def test_a_style_that_is_not_finite_goes_back_and_the_others_go_on(
    train, tmp_path, monkeypatch, capsys
):
    import rounds

    step = rounds.Trainee.step

    def broken(self, number, *how):
        value = step(self, number, *how)
        if self.style.name == STYLES[0]:
            for weight in self.generator.parameters():
                weight.data.fill_(torch.nan)
            return value * torch.nan
        return value

    monkeypatch.setattr(rounds.Trainee, "step", broken)
    assert train("run") == 0
    assert f"{STYLES[0]} became infinite 3 times" in capsys.readouterr().out
    start, ours = (trained(place, STYLES[0]).generator for place in (WEIGHTS, tmp_path / "run"))
    for key, value in ours.state_dict().items():
        if not key.startswith("to_rgb"):  # which gets the painting's colours at the end
            assert torch.equal(value, start.state_dict()[key])
    kept = state(tmp_path / "run")["styles"]
    assert kept[STYLES[0]]["share"] == 1 / 8
    assert kept[STYLES[1]]["adam"]["state"][0]["step"] == 3


@pytest.mark.slow
def test_a_state_of_other_styles_is_refused(train, tmp_path):
    assert train("run", "--steps", "1") == 0
    with pytest.raises(InputError, match="state.pt is the state of a training of manuscript, star"):
        train("run", "--only", STYLES[0])
    (tmp_path / "run" / "state.pt").write_bytes(b"PK")
    with pytest.raises(InputError, match="state.pt is damaged"):
        train("run")


@pytest.mark.slow
def test_the_budget_sets_the_learning_rate_and_the_end(train, command, tmp_path, monkeypatch):
    import train_on_gpu

    rates = [train_on_gpu.rate_at(share / 100) for share in range(101)]
    height = round(100 * train_on_gpu.WARM_UP)
    assert rates[0] == pytest.approx(0.05)
    assert rates[height] == 1
    assert rates[:height] == sorted(rates[:height])
    assert rates[height:] == sorted(rates[height:], reverse=True)
    assert rates[(100 + height) // 2] == pytest.approx((1 + 0.03) / 2)
    assert rates[-1] == pytest.approx(0.03)

    # A clock that goes on by half a minute with each look at it: at the start, and each round.
    seconds = iter(range(0, 10**6, 30))
    monkeypatch.setattr(train_on_gpu.time, "perf_counter", lambda: next(seconds))
    place = command.index("--steps")
    del command[place : place + 2]
    assert train("run", "--only", STYLES[1], "--minutes", "2") == 0
    assert state(tmp_path / "run")["step"] == 4  # until 114 of 120 s are over


def test_crops_depend_on_their_number_alone_and_lie_within_a_photo(tmp_path):
    from rounds import Crops

    ramp = torch.arange(80)[:, None] + torch.arange(120)[None]
    pixels = torch.stack([ramp, ramp, torch.full_like(ramp, 255)], 2).to(torch.uint8)
    Image.fromarray(pixels.numpy()).save(tmp_path / "ramp.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    crops = Crops(tmp_path, [40, 64], 3, torch.device("cpu"))
    assert len(crops.photos) == 1
    assert torch.equal(crops.photos[0], pixels)
    assert crops(0).shape == (3, 3, 40, 40)
    assert crops(1).shape == (3, 3, 64, 64)
    assert torch.equal(crops(7), crops(7))
    assert not torch.equal(crops(7), crops(9))
    flipped = set()
    for crop in torch.cat([crops(2 * number) for number in range(8)]):
        steps = 255 * crop[0].diff(dim=0)[5:-5]  # the ramp's, by so much as the crop was reduced
        assert 40 / 40 - 0.1 <= steps.median() <= 80 / 40 + 0.1
        flipped.add(bool(crop[0, 20, -1] < crop[0, 20, 0]))
        assert crop[2].min() == pytest.approx(1)
    assert flipped == {False, True}


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--compile"]])
def test_a_training_goes_on_from_gpu_to_cpu_and_back(command, tmp_path, options):
    run_dir = tmp_path / "run"
    own = ["--run-dir", run_dir, "--output", run_dir, *options]
    script = [sys.executable, SCRIPTS / "train_on_gpu.py"]
    for device, steps in (("cuda", 3), ("cpu", 4), ("cuda", 6)):  # the state goes anywhere
        how = ["--device", device, "--steps", steps]
        if device == "cpu":
            how = [*how, "--output", tmp_path / "elsewhere"]
        subprocess.run([str(x) for x in [*script, *command, *own, *how]], check=True, timeout=500)
        assert state(run_dir)["step"] == steps
    for style in STYLES:
        found = state(run_dir)["styles"][style]
        assert found["setbacks"] == 0
        assert found["adam"]["param_groups"][0]["fused"]
        trained(run_dir, style)

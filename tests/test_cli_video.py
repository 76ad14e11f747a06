"""`hrstyle video`: its options, its results and what it refuses."""

import sys
from importlib import import_module

import pytest
from clips import write_clip

from hrstyle.checkpoint import save_weights
from hrstyle.cli import main
from hrstyle.generator import pyramid


@pytest.mark.slow
def test_the_command_takes_the_options_and_keeps_a_result_that_is_there(
    weights_file, tmp_path, capsys
):
    clip = write_clip(tmp_path / "clip.mp4", sound="aac")
    out = tmp_path / "out.mp4"
    command = ["video", str(clip), "-o", str(out), "--style", str(weights_file), "--size", "32"]
    main([arg for arg in command if arg != "-o"] + ["--start", "0:00.1", "--json"])
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith('{"input": ')
    assert '"width": 32, "height": 24, "frames": 7,' in said.out
    with pytest.raises(SystemExit, match="2"):  # before the style is looked for
        main([*command[:-4], "--style", "gone"])
    assert "there already" in capsys.readouterr().err
    main([*command, "--overwrite", "--keep-colours", "--crf", "30", "--strength", "0.5"])
    assert "out.mp4: 32x24, 10 frames" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--start", "nan"], "start=nan"),
        (["--start", "inf"], "start=inf"),
        (["--start=-1"], "start=-1"),
        (["--start", "soon"], "soon"),
        (["--start", "9"], "not before the end"),
        (["--start", "0.2", "--end", "0.1"], "end=0.1"),
        (["--end", "nan"], "end=nan"),
        (["--crf", "52"], "crf=52"),
        (["--crf", "nan"], "crf=nan"),
        (["--crf", "fine"], "fine"),
        (["--size", "0"], "size=0"),
        (["--size", "60000"], "60000x45000"),
        (["--size", "big"], "big"),
        (["--strength", "inf"], "strength=inf"),
        (["--steady", "nan"], "steady=nan"),
        (["--steady", "2"], "steady=2"),
        (["--stroke-size", "nan"], "stroke_size=nan"),
        (["--colours", "1.2"], "keep_colours=1.2 (--colours)"),
        (["--colours", "1", "--keep-colors"], "not allowed with"),
        (["out.xyz"], ".xyz"),
        (["gone/out.mp4"], "no folder gone"),
        (["-o", "clip.mp4", "--overwrite"], "one of the input files"),
        (["clip.mp4", "--overwrite"], "clip.mp4 is there already; name the result with -o OUT"),
    ],
)
def test_bad_settings_are_one_sentence_and_change_nothing(
    weights_file, tmp_path, monkeypatch, capsys, change, message
):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", sound="aac")
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    names_result = change[0] == "-o" or not change[0].startswith("-")
    target = [] if names_result else ["out.mp4"]
    with pytest.raises(SystemExit, match="2"):
        main(["video", "clip.mp4", *target, *change, "--style", str(weights_file)])
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("hrstyle: ")
    assert error.count("\n") == 1
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_several_clips_and_folders_go_into_a_folder(weights_file, tmp_path, capsys):
    (tmp_path / "in/deep").mkdir(parents=True)
    for name in ("a.mp4", "b.avi", "deep/c.mkv"):
        write_clip(tmp_path / "in" / name)
    (tmp_path / "in/notes.txt").write_text("no clip")
    single = write_clip(tmp_path / "d.mov")
    out = tmp_path / "out"
    command = ["video", str(tmp_path / "in"), str(single), "-r", "-o", str(out)]
    command += ["--style", str(weights_file), "--size", "16"]
    main(command)
    said = capsys.readouterr()
    assert "left out 1 .txt" in said.err
    assert said.out.count(": 16x12, 10 frames") == 4
    made = sorted(str(path.relative_to(out)) for path in out.rglob("*.*"))
    assert made == ["a.mp4", "b.mp4", "d.mov", "deep/c.mkv"]
    main([*command, "--skip-existing"])
    assert "all results exist already" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(command)
    assert "there already" in capsys.readouterr().err


def test_a_bad_clip_does_not_stop_the_others(weights_file, tmp_path, capsys):
    write_clip(tmp_path / "in.mp4")
    (tmp_path / "bad.mp4").write_text("no clip")
    inputs = [str(tmp_path / "bad.mp4"), str(tmp_path / "in.mp4")]
    with pytest.raises(SystemExit, match="2"):
        main(["video", *inputs, "-o", f"{tmp_path}/out/", "--style", str(weights_file)])
    said = capsys.readouterr()
    assert "bad.mp4 is not a clip" in said.err
    assert "1 of 2 clips" in said.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["in.mp4"]


@pytest.mark.parametrize("count", [1, 2])
def test_a_clip_that_memory_cannot_hold_is_one_sentence(
    run, weights_file, tmp_path, monkeypatch, capsys, count
):
    import hrstyle.video

    def fail(clip, output, style, **how):
        raise RuntimeError("out of memory:\nfor a frame")

    monkeypatch.setattr(hrstyle.video, "repaint_video", fail)
    clips = [write_clip(tmp_path / name) for name in ("a.mp4", "b.mp4")][:count]
    assert run("video", *clips, "-o", f"{tmp_path}/out/", "--style", weights_file) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[:count] == [f"hrstyle: {clip}: out of memory: for a frame" for clip in clips]
    assert len(lines) == (3 if count == 2 else 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.mp4"], "-o OUT"),
        (["a.mp4", "b.mp4", "c.mp4"], "-o OUT"),
        (["a.mp4", "b.mp4", "-o", "c.mp4"], "need a folder"),
        (["empty", "-o", "out"], "holds no clips"),
    ],
)
def test_what_names_no_result_is_one_sentence(
    weights_file, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="2"):
        main(["video", *arguments, "--style", str(weights_file)])
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_what_the_format_cannot_hold_is_said_and_sound_can_be_left_out(
    weights_file, tmp_path, capsys
):
    clip = write_clip(tmp_path / "clip.mp4", sound="aac")
    command = ["video", str(clip), "-o", f"{tmp_path}/out.webm", "--style", str(weights_file)]
    main(command)
    assert "the sound (aac) became libopus, for .webm" in capsys.readouterr().err
    main([*command, "--overwrite", "--no-sound", "--json"])
    said = capsys.readouterr()
    assert said.err == ""
    assert '"sound_tracks": 0' in said.out


@pytest.mark.parametrize("package", ["av", "cv2"])
def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch, capsys, package):
    save_weights(tmp_path / "tiny.safetensors", pyramid((4, 8, 8), (1, 1)), style="tiny", base="0")
    for name in [name for name in sys.modules if name.startswith("hrstyle.video")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit, match="2"):
        main(["video", "a.mp4", "b.mp4", "--style", str(tmp_path / "tiny.safetensors")])
    error = capsys.readouterr().err
    assert error.endswith("pip install 'hrstyle[video]'\n")
    assert error.count("\n") == 1
    with pytest.raises(ImportError, match=r"hrstyle\.video needs .*'hrstyle\[video\]'") as caught:
        import_module("hrstyle.video")
    assert caught.value.name == package


@pytest.mark.parametrize("names", [["-", "out.mp4"], ["clip.mp4", "-"]])
def test_clips_are_files(names, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["video", *names, "--style", "mondrian"])
    assert "as files, not as -" in capsys.readouterr().err

"""The scripts of `hrstyle completion`, run by the shells themselves."""

import shutil
import subprocess

import pytest

from hrstyle.cli import main
from hrstyle.styles import list_styles

BASH = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
eval "$(complete -p hrstyle | sed 's/.*-F \\([^ ]*\\).*/\\1/')" hrstyle '"${@: -1}"' '"${@: -2:1}"'
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = "source $argv[1]; complete -C (string join ' ' -- $argv[2..]) | cut -f1"


@pytest.fixture
def complete(tmp_path, capsys):
    def complete(shell, *words):
        if not shutil.which(shell):
            pytest.skip(f"there is no {shell} on this machine")
        main(["completion", shell])
        script = tmp_path / "script"
        script.write_text(capsys.readouterr().out)
        start = [BASH, "bash"] if shell == "bash" else [FISH]
        result = subprocess.run(
            [shell, "-c", *start, script, "hrstyle", *words],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )
        return set(result.stdout.split())

    return complete


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_what_the_tab_key_completes(complete, shell, tmp_path):
    (tmp_path / "mine.safetensors").touch()
    assert complete(shell, "st") == {"styles", "stylize"}
    assert complete(shell, "tr") == {"train"}
    assert complete(shell, "rep") == {"repaint"}
    assert complete(shell, "stylize", "--str") == {"--strength", "--stroke-size", "--strip"}
    assert complete(shell, "stylize", "x.jpg", "--style", "the_") == {
        name for name in list_styles() if name.startswith("the_")
    }
    assert complete(shell, "stylize", "--style", "mi") == {"mine.safetensors"}
    assert complete(shell, "export", "star") == {"starry_night"}
    assert complete(shell, "stylize", "--engine", "open") == {"openvino"}
    assert complete(shell, "stylize", "mi") == {"mine.safetensors"}
    assert complete(shell, "stylize", "x.jpg", "--painting", "mi") == {"mine.safetensors"}
    assert "all" in complete(shell, "stylize", "--style", "a")
    assert "all" not in complete(shell, "export", "a")
    assert complete(shell, "export", "--dtype", "") == {"float32", "float16"}
    assert complete(shell, "optimize", "--dtype", "") == {"float32", "bfloat16"}
    assert complete(shell, "optimize", "--loss", "") == {"painterly", "gram"}
    assert complete(shell, "optimize", "--start", "") == {"content", "noise"}
    assert "noise" not in complete(shell, "video", "--start", "n")
    assert complete(shell, "completion", "") == {"bash", "fish", "zsh"}


def test_zsh_finds_no_mistake_in_its_script(capsys, tmp_path):
    if not shutil.which("zsh"):
        pytest.skip("there is no zsh on this machine")
    main(["completion", "zsh"])
    script = capsys.readouterr().out
    assert "starry_night" in script
    (tmp_path / "_hrstyle").write_text(script)
    subprocess.run(["zsh", "-n", tmp_path / "_hrstyle"], check=True)


def test_another_shell_is_one_sentence(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["completion", "cmd.exe"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == ("hrstyle: shell 'cmd.exe' must be one of bash, zsh, fish\n")

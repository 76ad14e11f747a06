import stat

import pytest

from hrstyle.errors import InputError
from hrstyle.files import write_atomically


def test_write_atomically_replaces_and_has_usual_permissions(tmp_path):
    path, usual = tmp_path / "file", tmp_path / "usual"
    path.write_text("old")
    usual.write_text("")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(InputError, match="cannot write"):
        write_atomically(tmp_path / "nowhere" / "file", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        write_atomically(tmp_path / "folder", b"")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder", "usual"]


def test_a_name_as_long_as_the_disk_allows(tmp_path):
    path = tmp_path / f"{'ü' * 125}.png"  # 254 bytes
    write_atomically(path, b"new")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"new"]

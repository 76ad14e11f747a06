import os
import stat

import pytest

from hrstyle.errors import InputError
from hrstyle.files import (
    check_folder,
    expand_user,
    fix_missing,
    open_atomically,
    refuse_existing,
    write_atomically,
)


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


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
def test_a_link_and_the_permissions_of_a_file_stay(tmp_path):
    link, real = tmp_path / "link", tmp_path / "elsewhere" / "real"
    link.symlink_to(real)
    with pytest.raises(InputError, match="there is no folder .*elsewhere; make it first"):
        check_folder(link)
    real.parent.mkdir()
    check_folder(link)
    for data in (b"new", b"newer"):
        write_atomically(link, data)
        assert link.is_symlink()
        assert real.read_bytes() == data
        real.chmod(0o600)
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert [path.name for path in real.parent.iterdir()] == ["real"]


def test_a_tilde_is_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert expand_user("~/a/") == f"{tmp_path}/a/"
    assert expand_user("~nobody_of_this_name/a") == "~nobody_of_this_name/a"
    check_folder("~/a")
    write_atomically("~/a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_what_exists_is_refused_and_counted(tmp_path):
    paths = [tmp_path / name for name in ("a", "b", "c")]
    refuse_existing(paths)
    paths[1].touch()
    with pytest.raises(InputError, match="b is there already; add --overwrite, or choose another"):
        refuse_existing(paths)
    paths[2].touch()
    with pytest.raises(InputError, match="b and 1 more results are there already; skip it, or"):
        refuse_existing(paths, fix="skip it")


def test_a_name_as_long_as_the_disk_allows(tmp_path):
    path = tmp_path / f"{'ü' * 125}.png"  # 254 bytes
    write_atomically(path, b"new")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"new"]


@pytest.mark.skipif(os.name != "posix", reason="Windows does not open folders")
def test_a_durable_file_is_synced_before_its_rename_and_its_folder_after(tmp_path, monkeypatch):
    path, synced, fsync = tmp_path / "file", [], os.fsync
    path.write_text("old")

    def record(descriptor):
        fsync(descriptor)
        size = os.fstat(descriptor).st_size
        synced.append((os.fstat(descriptor).st_ino, size, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", record)
    with open_atomically(path, durable=True) as file:
        file.write(b"new one")
    (inode, size, before), (folder, _, after) = synced
    assert (inode, size, before) == (path.stat().st_ino, len(b"new one"), b"old")
    assert (folder, after) == (tmp_path.stat().st_ino, b"new one")
    synced.clear()
    write_atomically(path, b"other")
    assert not synced


def test_a_file_that_cannot_be_synced_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="cannot write .*file: Input/output error"):
        write_atomically(path, b"new", durable=True)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("CAT.jpg", "cat.jpg"),
        ("\u201ccat.jpg\u201d", "cat.jpg"),
        ("cat.jpg\r", "cat.jpg"),
        ("holiday\\cafe\u0301.png", "holiday/caf\u00e9.png"),
    ],
)
def test_a_missing_file_is_asked_about_by_what_looks_like_it(tmp_path, monkeypatch, typed, meant):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holiday").mkdir()
    (tmp_path / meant).touch()
    assert fix_missing(typed) == f"did you mean {meant}?"


def test_an_address_is_no_file():
    # A Path has one slash less.
    assert fix_missing("https:/example.org/cat.jpg") == "download it first, and give the file"
    assert fix_missing("file:///photos/my%20cat.jpg") == "give its path: /photos/my cat.jpg"
    assert fix_missing("nowhere/cat.jpg") == "check the path"
    assert fix_missing("") == "check the path"

import io
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from hrstyle.errors import InputError
from hrstyle.images import open_image, size_and_frames
from hrstyle.images.formats import describe_skipped, is_picture, open_file, pictures_in, trust_files

PLUGINS = {"HEIF": "pillow_heif", "JXL": "pillow_jxl"}
ENDINGS = {"HEIF": "heic", "JXL": "jxl"}
EXTRAS = {"HEIF": "hrstyle[heic]", "JXL": "hrstyle[jxl]"}


@pytest.fixture(params=PLUGINS)
def kind(request):
    return request.param


@pytest.fixture
def modern(kind, photo, tmp_path):
    """A photo as HEIC or JPEG XL."""
    plugin = pytest.importorskip(PLUGINS[kind])
    if kind == "HEIF":
        plugin.register_heif_opener()
    path = tmp_path / f"photo.{ENDINGS[kind]}"
    Image.fromarray(np.asarray(open_image(photo))).save(path, quality=90)
    return path


def forget(kind, monkeypatch):
    """As in a process that has opened no such file yet."""
    Image.init()  # or it would be done in what is put back
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != kind])
    endings = {end: name for end, name in Image.EXTENSION.items() if name != kind}
    monkeypatch.setattr(Image, "EXTENSION", endings)


def test_heic_and_jpeg_xl_are_read_where_their_plugins_are(modern, photo):
    reread = np.asarray(open_image(modern), dtype=float)
    assert np.abs(reread - np.asarray(open_image(photo))).mean() < 4
    assert size_and_frames(modern) == (reread.shape[:2], 1)
    for source in (modern.read_bytes(), io.BytesIO(modern.read_bytes()), Pipe(modern.read_bytes())):
        assert np.array_equal(np.asarray(open_image(source)), reread)
    assert is_picture(modern)


def test_without_their_plugins_the_extra_is_named(kind, modern, monkeypatch):
    forget(kind, monkeypatch)
    monkeypatch.setitem(sys.modules, PLUGINS[kind], None)  # as if it were not installed
    for source in (modern, modern.read_bytes()):
        with pytest.raises(InputError) as refused:
            open_image(source)
        assert f"pip install '{EXTRAS[kind]}'" in str(refused.value)
    assert not is_picture(modern)
    assert pictures_in(modern.parent) == ([], {modern.suffix: 1})
    assert f"1 {modern.suffix} (pip install '{EXTRAS[kind]}')" in describe_skipped(
        Counter([modern.suffix])
    )


@pytest.mark.slow
def test_no_plugin_is_loaded_before_it_is_needed(modern, kind, photo):
    script = (
        "import sys; from hrstyle.images import open_image, pictures_in; from pathlib import Path\n"
        "photo, modern, plugin = sys.argv[1:]\n"
        "open_image(photo); found, _ = pictures_in(Path(modern).parent)\n"
        "assert found == [Path(modern)] and plugin not in sys.modules\n"
        "open_image(modern); assert plugin in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, photo, modern, PLUGINS[kind]], check=True)


def test_avif_without_support_in_pillow_says_so(monkeypatch, tmp_path):
    path = tmp_path / "photo.avif"
    path.write_bytes(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(100))
    with pytest.raises(InputError, match="not a picture"):
        open_image(path)
    forget("AVIF", monkeypatch)
    with pytest.raises(InputError, match="type AVIF.*pip install -U pillow"):
        open_image(path)
    assert pictures_in(tmp_path)[1] == {".avif": 1}


class Pipe(io.RawIOBase):
    """What can be read once, from its beginning to its end."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._data.readinto(buffer)


def test_the_thumbnail_of_a_raw_photo_is_not_taken_for_the_photo(tmp_path):
    tags = ImageFileDirectory_v2()
    tags[254], tags[330] = 1, 8
    tags.tagtype[330] = 4
    Image.new("RGB", (40, 27)).save(tmp_path / "camera.tif", tiffinfo=tags)
    data = (tmp_path / "camera.tif").read_bytes()
    (tmp_path / "older.NEF").write_bytes(tiff(254))
    (tmp_path / "camera.cr3").write_bytes(b"\0\0\0\x18ftypcrx " + bytes(100))
    (tmp_path / "camera.orf").write_bytes(b"IIRO\x08\0\0\0" + bytes(100))
    sources = [tmp_path / name for name in ("camera.tif", "older.NEF", "camera.cr3", "camera.orf")]
    for source in (*sources, data):
        with pytest.raises(InputError, match="raw photo.*export it as JPEG or TIFF"):
            open_image(source)


def tiff(*tags):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 27)).save(buffer, "TIFF", tiffinfo=dict.fromkeys(tags, 1))
    return buffer.getvalue()


def test_a_tiff_with_a_small_version_before_the_picture(tmp_path):
    small, whole = Image.new("RGB", (40, 27), "red"), Image.new("RGB", (160, 108), "blue")
    small.encoderinfo = {"tiffinfo": {254: 1}}
    small.save(tmp_path / "both.tif", save_all=True, append_images=[whole], tiffinfo={254: 1})
    data = bytearray((tmp_path / "both.tif").read_bytes())
    with Image.open(tmp_path / "both.tif") as image:
        image.seek(1)
        at = image.tag_v2._offset + 2  # its first entry is NewSubfileType
    assert data[at : at + 2] == b"\xfe\0"
    data[at + 8] = 0
    assert open_image(bytes(data)).size == (160, 108)
    assert open_image(tiff(254)).size == (40, 27)  # there is no other


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", True), ("A.JPEG", True), ("a.b.png", True), ("a.tif", True), ("a.gif", True),
        ("._a.jpg", False), (".a.png", False), ("a.eps", False), ("a.pdf", False), ("a", False),
        ("a.mpg", False), ("a.txt", False), ("a.dng", False), ("a.svg", False), (".jpg", False),
    ],
)  # fmt: skip
def test_a_picture_is_known_by_its_name(name, expected):
    assert is_picture(name) is expected
    assert is_picture(Path("folder", name)) is expected


def test_what_is_left_out_is_counted_by_type(tmp_path):
    for name in (
        "b.png", "a.jpg", "in/c.gif", ".thumbnails/d.jpg", "out/e.png", "._a.jpg",
        "f.NEF", "g.nef", "in/h.mov", "notes", "i.eps",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    pictures, others = pictures_in(tmp_path, exclude=tmp_path / "out")
    assert pictures == [tmp_path / name for name in ("a.jpg", "b.png", "in/c.gif")]
    assert others == {".nef": 2, ".mov": 1, "": 1, ".eps": 1}
    sentence = describe_skipped(others)
    assert sentence.startswith("left out 2 .nef (export it as JPEG")
    assert "1 without an ending" in sentence
    assert pictures_in(tmp_path, recursive=False)[0] == pictures[:2]


def test_a_path_may_begin_with_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    Image.new("RGB", (3, 2)).save(tmp_path / "a.png")
    assert open_image("~/a.png").size == open_image(Path("~/a.png")).size == (3, 2)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").rename("~nobody.png")
    assert open_image("~nobody.png").size == (3, 2)


def test_only_the_formats_asked_for_are_opened(photo):
    with open_file(photo, formats=["JPEG", "PNG", "NONE"]) as image:
        assert image.format == "PNG"
    with pytest.raises(Image.UnidentifiedImageError):
        open_file(photo, formats=["JPEG"])


def test_pictures_of_any_size_once_files_are_trusted(photo, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError, match="larger than Pillow opens"):
        open_image(photo)
    trust_files()
    assert open_image(photo).size == (451, 300)


def test_python_still_knows_which_warnings_it_has_shown(photo):
    """`warnings.catch_warnings` and `simplefilter` would make it forget."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.simplefilter("default")
        registry = {}
        for _ in range(3):
            warnings.warn_explicit("once", DeprecationWarning, "file.py", 1, registry=registry)
            open_image(photo)
        assert len(caught) == 1
        assert len(warnings.filters) == 3  # no more with each picture

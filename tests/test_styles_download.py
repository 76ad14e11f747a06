import hashlib
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pooch
import pytest
import requests

from hrstyle.errors import InputError
from hrstyle.styles import download
from hrstyle.styles.download import fetch


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_is_fetched_once_and_checked(web):
    folder, address = web
    (folder / "a").write_bytes(b"first")
    path = fetch(f"{address}/a")
    (folder / "a").write_bytes(b"second")
    assert fetch(f"{address}/a") == path
    assert path.read_bytes() == b"first"
    with pytest.raises(InputError, match="/a gives another file than it should.*give its path"):
        fetch(f"{address}/a", sha256="0" * 64)


def test_a_file_is_taken_out_of_an_archive(web):
    folder, address = web
    with zipfile.ZipFile(folder / "pictures.whl", "w") as archive:
        archive.writestr("inner/p.png.txt", "its neighbour")
        archive.writestr("inner/p.png", "itself")
    url, right = f"{address}/pictures.whl", sha256(folder / "pictures.whl")
    assert fetch(url, sha256=right, member="inner/p.png").read_text() == "itself"
    with pytest.raises(InputError, match=r"no zip archive with inner/q\.png"):
        fetch(url, sha256=right, member="inner/q.png")
    (folder / "p.png").write_text("itself")
    with pytest.raises(InputError, match=r"p\.png.* is no zip archive"):
        fetch(f"{address}/p.png", member="inner/p.png")


@pytest.mark.parametrize("damage", ["encrypted", "unknown method", "other bytes"])
def test_an_archive_that_cannot_be_unpacked(web, damage):
    folder, address = web
    file = folder / "a.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("p.png", bytes(range(256)))
    data = bytearray(file.read_bytes())
    entry = data.index(b"PK\1\2")
    if damage == "other bytes":
        data[35:45] = b"\xff" * 10
    else:  # the flags, or the method, in both headers
        before, value = (6, 1) if damage == "encrypted" else (8, 99)
        data[before] = data[entry + before + 2] = value
    file.write_bytes(data)
    with pytest.raises(InputError, match=r"no zip archive with p\.png, or is damaged"):
        fetch(f"{address}/a.zip", member="p.png")


def test_without_a_network_the_error_says_what_to_do(web):
    _, address = web
    unreachable = {f"{address}/gone.png": "status 404", "http://127.0.0.1:9/p.png": "Connection"}
    for url, reason in unreachable.items():
        with pytest.raises(InputError, match=rf"cannot fetch {url} .{reason}.*give its path"):
            fetch(url)


REDIRECTS = {
    "honest": "/picture",
    "to-page": "/page",
    "to-file": "file:///etc/passwd",
    "to-ftp": "ftp://127.0.0.1/p.png",
    "to-gopher": "gopher:p.png",
    "round": "/round",
}


class Hostile(BaseHTTPRequestHandler):
    """Answers what the path asks for."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        kind = self.path.removeprefix("/")
        if kind in REDIRECTS:
            self.answer(302, location=REDIRECTS[kind])
        elif kind == "page":
            self.answer(200, content_type="text/html; charset=utf-8", body=b"<html></html>")
        elif kind == "claims":
            self.answer(200, content_length=str(10**12), body=bytes(10))
        elif kind == "endless":
            self.answer(200)
            self.write_for_ever(bytes(2**16))
        elif kind == "chunks":
            self.answer(200, transfer_encoding="chunked")
            self.write_for_ever(b"10000\r\n" + bytes(2**16) + b"\r\n")
        else:
            self.answer(200, body=b"a picture")

    def answer(self, status, *, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def write_for_ever(self, data):
        self.server.sent = 0
        try:
            while True:
                self.wfile.write(data)
                self.server.sent += len(data)
        except OSError:  # nobody listens any more
            pass


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache")
    with ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as server:
        Thread(target=server.serve_forever, args=[0.02]).start()
        yield server, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("page", "gives a web page, not a picture"),
        ("to-page", "gives a web page, not a picture"),
        ("to-file", "redirects to file:///etc/passwd, which is not followed"),
        ("to-ftp", r"redirects to ftp://127\.0\.0\.1/p\.png, which is not followed"),
        ("to-gopher", r"redirects to gopher:p\.png, which is not followed"),
        ("round", r"cannot fetch .*\(status 302\)"),
        ("claims", "gives more than 50 MB"),
    ],
)
def test_hostile_answers_are_refused_and_nothing_is_kept(hostile, tmp_path, answer, message):
    _, address = hostile
    with pytest.raises(InputError, match=message) as refused:
        fetch(f"{address}/{answer}")
    assert f"{address}/{answer}" in str(refused.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("answer", ["endless", "chunks"])
def test_an_end_to_endless_bytes(hostile, tmp_path, monkeypatch, answer):
    monkeypatch.setattr(download, "LIMIT", 3_000_000)
    server, address = hostile
    with pytest.raises(InputError, match=f"/{answer} gives more than 3 MB; save that picture"):
        fetch(f"{address}/{answer}")
    time.sleep(0.1)
    assert server.sent < 20_000_000  # and what lay in buffers
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_archive_cannot_be_a_bomb(web, monkeypatch):
    folder, address = web
    monkeypatch.setattr(download, "LIMIT", 100_000)
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("p.png", bytes(1_000_000))
    with pytest.raises(InputError, match=r"p\.png in .*/a\.zip gives more than 0 MB"):
        fetch(f"{address}/a.zip", member="p.png")


def test_an_honest_redirect_is_followed(hostile):
    _, address = hostile
    assert fetch(f"{address}/honest").read_bytes() == b"a picture"


@pytest.mark.parametrize(
    ("start", "target", "refused"),
    [
        ("http://a", "https://b/p.png", False),
        ("https://a", "https://b/p.png", False),
        ("https://a", "/p.png", False),
        ("https://a", "http://b/p.png", True),
    ],
)
def test_a_secret_is_not_given_away_on_the_way(start, target, refused):
    answer = requests.Response()
    answer.url, answer.status_code, answer.headers["location"] = start, 302, target
    if refused:
        with pytest.raises(InputError, match="redirects to http://b"):
            download._DownloadGuard().check(answer)
    else:
        download._DownloadGuard().check(answer)

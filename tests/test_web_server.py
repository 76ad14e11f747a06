"""The real server, as scripts and strangers see it."""

import re
import signal
import socket
import time
from pathlib import Path

import pytest
from PIL import ExifTags, Image
from web_servers import COMMAND, FORGET, FORGETFUL, Server, far

from hrstyle.images import open_image
from hrstyle.inference import load
from hrstyle.web.server import MAX_WAITING

pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'hrstyle[web]'")
gradio_client = pytest.importorskip("gradio_client")
httpx = pytest.importorskip("httpx")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    both = [Server(folder / "usual", COMMAND), Server(folder / "forgetful", FORGETFUL)]
    yield both
    for server in both:
        if server.process.poll() is None:
            server.stop(signal.SIGTERM)


@pytest.fixture(scope="module")
def server(servers):
    return servers[0].wait()


@pytest.fixture(scope="module")
def client(server, tmp_path_factory):
    return gradio_client.Client(
        server.url, verbose=False, download_files=tmp_path_factory.mktemp("downloads")
    )


def test_a_script_gets_what_python_gives(client, tmp_path):
    photo = Image.linear_gradient("L").resize((60, 40)).convert("RGB")
    photo.putalpha(Image.radial_gradient("L").resize((60, 40)))
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Lumiere"
    photo.save(tmp_path / "photo.png", exif=exif)
    file = client.predict(
        photo=gradio_client.handle_file(tmp_path / "photo.png"),
        style="great_wave",
        second="the_scream",
        share=0.25,
        strength=0.8,
        keep_colours=0.5,
        api_name="/stylize",
    )
    stylizer = load({"great_wave": 0.75, "the_scream": 0.25})
    expected = stylizer.stylize(tmp_path / "photo.png", strength=0.8, keep_colours=0.5)
    with Image.open(file) as result:
        assert far(result, expected) <= 1
        assert result.getexif()[ExifTags.Base.Make] == "Lumiere"
    assert "great_wave" in client.predict(api_name="/styles")


def upload(server, path):
    """A photo on the server, as requests name it."""
    with path.open("rb") as file:
        [there] = httpx.post(f"{server.url}gradio_api/upload", files={"files": file}).json()
    return there


def ask(server, path, **change):
    """The server's answer to a request as no client of Gradio's would make it, before the work."""
    values = {"photo": {"path": path, "meta": {"_type": "gradio.FileData"}}, "style": "great_wave"}
    values |= {"strength": 1, "stroke_size": 0, "keep_colours": 0, "second": "none", "share": 0}
    data = {"data": list((values | change).values())}
    return httpx.post(f"{server.url}gradio_api/call/stylize", json=data)


def outcome(server, answer):
    """And after the work."""
    event = answer.json()["event_id"]
    return httpx.get(f"{server.url}gradio_api/call/stylize/{event}", timeout=60).text


def test_nothing_else_of_the_machine_can_be_asked_for(server, photo):
    there = upload(server, photo)
    assert "event: complete" in outcome(server, ask(server, there))
    for key in ("style", "second"):
        wrong = outcome(server, ask(server, there, **{key: "../../etc/passwd"}))
        assert "event: error" in wrong
        assert "is not in the list of choices" in wrong
    stolen = Path("/etc/passwd").read_text()[:9]
    for path in ("../../etc/passwd", "/etc/passwd", str(photo), "http://example.com/a.png"):
        answer = outcome(server, ask(server, path))
        assert "event: error" in answer
        assert stolen not in answer
        answer = httpx.get(f"{server.url}gradio_api/file={path.replace('../', '..%2F')}")
        assert answer.status_code == 403
        assert stolen not in answer.text
    # The same by an older name.
    answer = httpx.get(f"{server.url}gradio_api/file/http://example.com/a")
    assert (answer.status_code, answer.text) == (403, "Not here")


@pytest.mark.parametrize("target", ["paint", "_select_result", "stylize", "showable"])
def test_no_address_is_fetched_whatever_a_request_names(server, target):
    steps = httpx.get(f"{server.url}config").json()["dependencies"]
    (step,) = (s for s in steps if s["api_name"] == target)
    file = {"path": "http://example.com/huge", "meta": {"_type": "gradio.FileData"}}
    gallery = [{"image": file}]
    data = [file if target == "stylize" else gallery, gallery, "", 0, False, "", 0][
        : len(step["inputs"])
    ]
    body = {"fn_index": step["id"], "data": data, "session_hash": "visitor"}
    answer = httpx.post(f"{server.url}gradio_api/run/predict", json=body)
    assert "not its address" in answer.text


def test_as_many_photos_as_the_queue_holds_are_painted(client, tmp_path):
    jobs = {}
    for side in range(32, 32 + MAX_WAITING):
        Image.new("RGB", (side, 32), "teal").save(tmp_path / f"{side}.png")
        photo = gradio_client.handle_file(tmp_path / f"{side}.png")
        jobs[side] = client.submit(photo=photo, style="great_wave", api_name="/stylize")
    for side, job in jobs.items():
        file = Path(job.result(timeout=120))
        assert file.name == f"{side}-great_wave.png"
        assert open_image(file).size == (side, 32)


def test_a_full_queue_says_so(server, tmp_path):
    Image.effect_noise((1000, 1000), 50).save(tmp_path / "long.png")
    Image.new("RGB", (32, 32), "teal").save(tmp_path / "short.png")
    long, short = upload(server, tmp_path / "long.png"), upload(server, tmp_path / "short.png")
    answers = [ask(server, long), *(ask(server, short) for _ in range(MAX_WAITING + 5))]
    taken = [answer for answer in answers if answer.status_code == 200]
    full = [answer.text for answer in answers if answer.status_code == 503]
    assert MAX_WAITING <= len(taken) < len(taken) + len(full) == len(answers)
    assert all("Queue is full" in text for text in full)
    for answer in taken:  # and none of these is lost
        assert "event: complete" in outcome(server, answer)


def test_nothing_of_a_visitor_is_kept(servers, photo, tmp_path):
    server = servers[1].wait()
    examples = {*server.files()}
    client = gradio_client.Client(server.url, verbose=False, download_files=tmp_path)
    client.predict(gradio_client.handle_file(photo), api_name="/stylize")
    with socket.create_connection(("127.0.0.1", int(server.url[:-1].rsplit(":")[-1]))) as upload:
        upload.sendall(  # and breaks off
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            b'Content-Disposition: form-data; name="files"; filename="a.png"\r\n\r\nabc'
        )
        time.sleep(0.5)
    assert len(server.files()) > len(examples)
    until = time.monotonic() + 20 * FORGET
    while (left := {*server.files()}) != examples and time.monotonic() < until:
        time.sleep(0.2)
    assert left == examples


def test_the_server_turns_to_nobody(server, photo):
    assert "event: complete" in outcome(server, ask(server, upload(server, photo)))
    hosts = re.findall(r"^turned to (.*)$", server.log.read_text(), flags=re.MULTILINE)
    assert hosts  # itself, as Gradio starts
    assert {*hosts} <= {"127.0.0.1", "localhost"}


@pytest.fixture
def closed(tmp_path, weights_file):
    """A server of a test's own style, with a password, behind a proxy that strips /paint."""
    server = Server(
        tmp_path / "closed", COMMAND, "--style", str(weights_file), "--root-path", "/paint",
        environment={"HRSTYLE_AUTH": "me:pa:ss"},
    )  # fmt: skip
    yield server.wait()
    server.stop(signal.SIGTERM)


def test_with_a_password_nothing_is_given_without_it(closed, photo, tmp_path):
    for path in ("config", "gradio_api/info", f"gradio_api/file={photo}"):
        assert httpx.get(closed.url + path).status_code == 401
    with photo.open("rb") as file:
        answer = httpx.post(f"{closed.url}gradio_api/upload", files={"files": file})
    assert answer.status_code == 401
    wrong = httpx.post(f"{closed.url}login", data={"username": "me", "password": "pa"})
    assert wrong.status_code == 400

    with httpx.Client() as visitor:
        visitor.post(f"{closed.url}login", data={"username": "me", "password": "pa:ss"})
        config = visitor.get(f"{closed.url}config").json()
        assert config["root"].endswith("/paint")
    client = gradio_client.Client(
        closed.url, verbose=False, auth=("me", "pa:ss"), download_files=tmp_path / "downloads"
    )
    assert client.predict(api_name="/styles")[0] == "tiny"


@pytest.fixture
def stopped(tmp_path):
    """A server of a test's own, which may end it; with settings meant for other programs."""
    environment = {
        "GRADIO_DEBUG": "1",  # would block
        "GRADIO_NUM_PORTS": "many",
        "GRADIO_ALLOWED_PATHS": "/etc",
        "ALL_PROXY": "socks5://127.0.0.1:9",  # would need one more package
        "all_proxy": "socks5://127.0.0.1:9",
    }
    server = Server(tmp_path / "stopped", COMMAND, environment=environment)
    yield server
    server.process.kill()
    server.process.wait()


def test_ctrl_c_in_the_middle_of_a_picture_leaves_no_files(stopped, tmp_path):
    server = stopped.wait()
    assert httpx.get(f"{server.url}gradio_api/file=/etc/passwd").status_code == 403
    Image.effect_noise((1500, 1500), 50).save(tmp_path / "long.png")
    assert ask(server, upload(server, tmp_path / "long.png")).status_code == 200
    time.sleep(0.5)
    server.stop(signal.SIGINT)
    assert "terminate" not in server.log.read_text()  # as C++ says

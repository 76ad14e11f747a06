"""The web page as visitors have it: the real server, in Chromium and from scripts."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from hrstyle.images import open_image
from hrstyle.inference import load
from hrstyle.train.data import sample_path
from hrstyle.web.server import MAX_WAITING

pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'hrstyle[web]'")
gradio_client = pytest.importorskip("gradio_client")
httpx = pytest.importorskip("httpx")
pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FORGET = 2  # seconds, on a server of its own
# Writes down every address that the server turns to.
WATCH = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        address = arguments[1] if event == "socket.connect" else arguments
        if isinstance(address, tuple):
            print("turned to", address[0], file=sys.stderr, flush=True)
sys.addaudithook(watch)
"""
COMMAND = """
from hrstyle.cli import main
main(["serve", "--port", sys.argv[1]])
"""
FORGETFUL = f"""
from hrstyle.web.server import serve
serve(port=int(sys.argv[1]), keep={FORGET})
"""


class Server:
    """A page in a process of its own, with a folder for temporary files of its own."""

    def __init__(self, folder, code):
        self.folder = folder
        self.folder.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        self.log = folder.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", WATCH + code, str(port)],
                env=os.environ | {"TMPDIR": str(folder)},
                stdout=log,
                stderr=log,
            )

    def wait(self):
        until = time.monotonic() + 120
        while "is ready" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        return self

    def files(self):
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def stop(self, how):
        self.process.send_signal(how)
        assert self.process.wait(timeout=30) == 0
        assert not list(self.folder.iterdir())


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


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    sync = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    camera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=fps=5"]
    with sync.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("chromium")),
            executable_path=CHROMIUM,
            args=[*FLAGS, *camera],
            viewport={"width": 1280, "height": 900},
        )
        context.set_default_timeout(120_000)
        yield context
        context.close()


@pytest.fixture
def page(browser, server):
    """A fresh page; no request of it may leave the machine."""
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url)
    page.wait_for_selector("#styles label")
    yield page
    page.close()
    assert len(asked) > 10
    assert not [url for url in asked if not url.startswith((server.url, "data:", "blob:"))]


def choose(page, *paths):
    page.set_input_files("#photos input[type=file]", [str(path) for path in paths])
    page.wait_for_function(
        "n => document.querySelectorAll('#photos .grid-container img').length == n", arg=len(paths)
    )


def paint(page):
    """Press the button; the addresses of before and after, once there are new ones."""
    images = "#slider img[data-testid=imageslider-image]"
    old = [image.get_attribute("src") for image in page.query_selector_all(images)]
    page.click("#paint")
    page.wait_for_function(
        "([images, old]) => { const now = [...document.querySelectorAll(images)];"
        " return now.length == 2 && now[1].src != old[1] && now.every(x => x.naturalWidth) }",
        arg=[images, old],
    )
    return [image.get_attribute("src") for image in page.query_selector_all(images)]


def complaint(page):
    page.wait_for_selector(".toast-body")
    return page.inner_text(".toast-body")


def download(page, folder, number=0):
    with page.expect_download() as event:
        page.locator("#files a").nth(number).click()
    path = folder / event.value.suggested_filename
    event.value.save_as(path)
    return path


def far(one, other):
    """Greatest difference of two pictures, of 255; thread counts may cost a rounding."""
    one, other = (np.asarray(picture, dtype=int) for picture in (one, other))
    assert one.shape == other.shape
    return abs(one - other).max()


def test_a_visitor_uploads_chooses_compares_and_downloads(page, photo, tmp_path):
    choose(page, photo)
    page.click("#styles label:has(input[value=great_wave])")
    first = paint(page)
    file = download(page, tmp_path)
    assert file.name == "chelsea-great_wave.png"
    assert far(open_image(file), load("great_wave").stylize(photo)) <= 1

    page.click("#styles label:has(input[value=the_scream])")
    second = paint(page)
    assert first[1] != second[1]
    file = download(page, tmp_path)
    assert file.name == "chelsea-the_scream.png"
    assert far(open_image(file), load("the_scream").stylize(photo)) <= 1

    def shown():
        after = page.locator("#slider img[data-testid=imageslider-image]").nth(1)
        clip = re.search(r"([\d.]+)%", after.get_attribute("style"))
        return float(clip[1])  # share of the result that is covered, from the left

    box = page.locator("#slider .slider-wrap").bounding_box()
    y = box["y"] + box["height"] / 2
    assert shown() == 50
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, y, steps=4)
    page.mouse.up()
    assert 20 < shown() < 30


def test_several_photos_and_a_broken_one(page, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no picture")
    choose(page, photo, broken, sample_path("coffee.png"))
    pair = paint(page)
    assert "broken.jpg is not a picture that can be read" in complaint(page)
    assert [a.get_attribute("download") for a in page.query_selector_all("#files a")] == [
        "chelsea-starry_night.png",
        "coffee-starry_night.png",
    ]
    page.locator("#results .grid-container button").nth(1).click()
    page.wait_for_function(
        "old => document.querySelector('#slider img').src != old && "
        "document.querySelector('#slider img').naturalWidth == 600", arg=pair[0]
    )  # fmt: skip


def test_everything_fits_on_the_screen_of_a_phone(page, photo):
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#examples button").first.click()
    page.wait_for_selector("#photos .grid-container img")
    paint(page)
    page.wait_for_selector("#files a")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for button in ("#paint", "#files a"):
        box = page.locator(button).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_a_picture_of_the_camera_is_painted(page):
    page.click("#photos [aria-label='Capture from camera']")
    page.click("#photos [title='grant webcam access'] button")
    page.wait_for_function("document.querySelector('#photos video').videoWidth > 0")
    page.click("#photos [aria-label='capture photo']")
    page.wait_for_selector("#photos .grid-container img")
    paint(page)


def test_what_cannot_be_painted_is_told_in_one_sentence(page, tmp_path):
    wrong, huge = tmp_path / "wrong.png", tmp_path / "huge.png"
    wrong.write_text("no picture")
    Image.new("1", (10_000, 6_000)).save(huge)
    choose(page, wrong)
    page.click("#paint")
    assert "wrong.png is not a picture that can be read; take a JPEG" in complaint(page)
    page.reload()
    page.wait_for_selector("#styles label")
    page.click("#paint")
    assert "choose a photo first" in complaint(page)
    page.reload()
    page.wait_for_selector("#styles label")
    choose(page, huge)
    page.click("#paint")
    assert "huge.png has 10000x6000 pixels, too many: at most 50,000,000" in complaint(page)


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


@pytest.mark.parametrize("target", ["paint", "_select_result", "stylize"])
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
def stopped(tmp_path):
    """A server of a test's own, which may end it."""
    server = Server(tmp_path / "stopped", COMMAND)
    yield server
    server.process.kill()
    server.process.wait()


def test_ctrl_c_in_the_middle_of_a_picture_leaves_no_files(stopped, tmp_path):
    server = stopped.wait()
    Image.effect_noise((1500, 1500), 50).save(tmp_path / "long.png")
    assert ask(server, upload(server, tmp_path / "long.png")).status_code == 200
    time.sleep(0.5)
    server.stop(signal.SIGINT)
    assert "terminate" not in server.log.read_text()  # as C++ says

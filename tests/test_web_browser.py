"""The web page as visitors have it: the real server, in Chromium."""

import re
import shutil
import signal

import pytest
from PIL import Image
from web_servers import COMMAND, Server, far

from hrstyle.images import open_image
from hrstyle.inference import load
from hrstyle.train.data import sample_path

pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'hrstyle[web]'")
pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server") / "usual", COMMAND).wait()
    yield server
    server.stop(signal.SIGTERM)


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


def test_strength_and_colours_change_the_result_at_once(page, photo, tmp_path):
    choose(page, photo)
    page.click("#styles label:has(input[value=great_wave])")
    first = paint(page)
    link = page.locator("#files a").first.get_attribute("href")
    page.locator("#strength input[type=range]").fill("0.3")
    page.wait_for_function(
        "old => document.querySelectorAll('#slider img')[1].src != old", arg=first[1]
    )
    page.locator("#colours input[type=range]").fill("0.5")
    page.wait_for_function("old => document.querySelector('#files a').href != old", arg=link)
    expected = load("great_wave").stylize(photo, strength=0.3, keep_colours=0.5)
    for _ in range(50):  # the first change may be written before the second
        file = download(page, tmp_path)
        if far(open_image(file), expected) <= 1:
            break
        page.wait_for_timeout(100)
    assert far(open_image(file), expected) <= 1
    assert file.name == "chelsea-great_wave.png"


def test_a_heic_is_shown_before_it_is_painted(page, small, tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(small).save(tmp_path / "iphone.heic", exif=None)
    page.set_input_files("#photos input[type=file]", str(tmp_path / "iphone.heic"))
    page.wait_for_function(
        "document.querySelector('#photos .grid-container img')?.naturalWidth == 63"
    )
    paint(page)
    assert download(page, tmp_path).name == "iphone-starry_night.png"


def test_everything_fits_on_the_screen_of_a_phone(page, photo):
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#examples button").first.click()
    page.wait_for_selector("#photos .grid-container img")
    paint(page)
    page.wait_for_selector("#files a")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for button in ("#paint", "#files a", "#strength", "#colours"):
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
    assert "wrong.png is not a picture of a type that can be read; take a JPEG" in complaint(page)
    page.reload()
    page.wait_for_selector("#styles label")
    page.click("#paint")
    assert "choose a photo first" in complaint(page)
    page.reload()
    page.wait_for_selector("#styles label")
    choose(page, huge)
    page.click("#paint")
    assert "huge.png has 10000x6000 pixels, too many: at most 50,000,000" in complaint(page)

from PIL import Image

from hrstyle.images import grid, titled_row


def test_a_row_has_its_pictures_below_its_title():
    wide, high = Image.new("RGB", (80, 20), "red"), Image.new("L", (10, 50), 0)
    row = titled_row([wide, high], "two", size=(40, 30))
    assert row.size == (88, 60)
    assert row.getpixel((2, 26)) == row.getpixel((41, 55)) == (255, 0, 0)
    assert row.getpixel((46, 26)) == (0, 0, 0)
    assert row.getpixel((43, 40)) == (255, 255, 255)
    assert min(row.crop((0, 0, 88, 25)).convert("L").getextrema()) < 50  # letters


def test_a_grid_fills_lines():
    tiles = [Image.new("RGB", (4, 3), colour) for colour in ("red", "lime", "blue")]
    sheet = grid(tiles, columns=2)
    assert sheet.size == (8, 6)
    assert sheet.getpixel((4, 0)) == (0, 255, 0)
    assert sheet.getpixel((0, 3)) == (0, 0, 255)
    assert sheet.getpixel((4, 3)) == (255, 255, 255)

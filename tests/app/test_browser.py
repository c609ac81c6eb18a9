"""The app in a real browser: from a photograph to the four outputs, and nothing but this machine is asked.

Needs Gradio, and Chromium on the path or where CHROMIUM names it; is left out where one is missing.
"""

import importlib.util
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.browser import DESKTOP, NEEDED

SECONDS = 120  # for one step of the page, on two busy cores

pytestmark = [*NEEDED, pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="Gradio is not installed")]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def link(place):
    """The address that `harness app` prints; at its end, uploads are gone from the temporary folder."""
    (place / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(place / "temporary"), "HARNESS_RESULTS": str(place / "results")}
    server = subprocess.Popen([sys.executable, "-m", "harness", "app", "--output", str(place / "looks")],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    assert server.stdout is not None
    address = server.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    yield address
    server.send_signal(signal.SIGTERM)
    assert server.wait(SECONDS) == 143
    server.stdout.close()
    assert list((place / "temporary").glob("harness-app-*")) == []


@pytest.fixture
def page(link, browser):
    context = browser.new_context(viewport=DESKTOP)
    context.set_default_timeout(SECONDS * 1000)
    opened = context.new_page()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(link)
    opened.get_by_role("button", name="Look").wait_for()
    yield opened
    context.close()
    assert [url for url in asked if not url.startswith((link, "data:", "blob:"))] == []


def test_from_a_photograph_to_the_four_outputs(page, place):
    (place / "notes.png").write_text("these are words")
    page.set_input_files("input[type=file]", place / "notes.png")
    page.get_by_text("notes.png: cannot be read").wait_for()
    page.get_by_role("button", name="Look").click()
    page.locator(".harness-bad").nth(1).wait_for()  # and beside the outputs, not only above the controls
    page.get_by_label("Clear").or_(page.get_by_label("Remove")).first.click()
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((480, 360)).save(place / "mine.jpg")
    page.set_input_files("input[type=file]", place / "mine.jpg")
    page.get_by_text("the square of mine.jpg that the model sees").wait_for()
    page.get_by_role("button", name="Look").click()
    page.get_by_alt_text("latest noise level").wait_for()  # live, before the end
    page.get_by_text("done", exact=True).wait_for()
    for name in ("picture with points and maps", "animation of the localising pass", "animation of the view pass"):
        drawn = page.get_by_alt_text(name)
        assert drawn.evaluate("image => image.decode().then(() => image.naturalWidth)") > 400
    assert page.locator(".harness-out td").filter(has_text="localising pass").count() == 6
    assert page.get_by_text("Its map is").count() == 6
    assert not (place / "looks").exists()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved in").wait_for()
    (folder,) = (place / "looks").iterdir()
    assert page.get_by_text(str(folder)).count() == 1
    assert (folder / "picture.png").is_file()


def test_a_look_can_be_cancelled_and_another_begun(page):
    page.get_by_role("listbox").or_(page.get_by_label("Trial, or model")).first.click()
    page.get_by_role("option", name="tiny_zero123plus: untrained tokens").click()
    page.get_by_role("button", name="Look").click()
    page.get_by_alt_text("picture with points and maps").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("cancelled").wait_for()
    page.wait_for_timeout(3000)
    assert page.get_by_text("done", exact=True).count() == 0
    assert page.get_by_text("cancelled").count() == 1
    page.get_by_role("button", name="Look").click()
    page.get_by_text("done", exact=True).wait_for()

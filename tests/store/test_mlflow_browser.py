"""MLflow in a real browser, from the link of `harness ui`: it guards the format of the views, which is MLflow's own.

Needs Chromium, on the path or where CHROMIUM names it, and is left out where there is none.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from harness.store.mlflow_tracker import sync
from harness.store.store import Store
from tests.browser import NEEDED
from tests.runner.executors import fake
from tests.store.test_mlflow_experiment import QUESTION, save

SECONDS = 90  # for one page, on two busy cores
SETTINGS = ("strength=0.3", "strength=0.5")

pytestmark = NEEDED


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    """The link that `harness ui` prints; SIGTERM ends the server at the end, with all of its processes."""
    results = tmp_path_factory.mktemp("ui") / "results"
    store = Store(results, "strength")
    save(store, *(fake.spec(seed, strength=strength) for strength in (0.3, 0.5) for seed in range(2)))
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        sync(store)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "harness", "ui", "--results", str(results), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    assert server.stdout is not None
    name, _, address = server.stdout.readline().strip().partition("  ")
    assert name == "strength"
    yield address
    server.send_signal(signal.SIGTERM)
    assert server.wait(SECONDS) == 143
    server.stdout.close()
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.1", port)) != 0
    shutil.rmtree(results)


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1500, "height": 950})
    context.set_default_timeout(SECONDS * 1000)
    yield context.new_page()
    context.close()


def test_the_link_opens_charts_by_setting_and_every_seed_can_be_read(link, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(link)
    for setting in SETTINGS:
        page.get_by_text(f"Group: {setting}", exact=True).wait_for()
        for seed in range(2):
            page.get_by_text(f"{setting} seed={seed}", exact=True).wait_for()
        page.get_by_text(f"{setting} (curve/loss)").first.wait_for()  # the legend of the chart: a line per setting
    for title in ("1_pck/pck_at_0.1", "curve/loss", "2_error/nme", "3_attention/entropy"):
        page.get_by_text(title, exact=True).first.wait_for()
    assert page.get_by_text(QUESTION).count() >= 1
    assert "/runs?" in page.url
    for stray in ("MLflow Assistant", "No charts", "Information about UI telemetry"):
        assert page.get_by_text(stray).count() == 0
    assert all("localhost" in url or url.startswith(("data:", "blob:")) for url in asked)


def test_the_table_has_columns_for_pck_error_and_entropy(link, page):
    page.goto(link.replace("&compareRunsMode=CHART", ""))
    for head in ("1_pck/pck_at_0.1", "2_error/nme", "3_attention/entropy", "fusion.strength", "seed"):
        page.get_by_role("columnheader").filter(has_text=head).first.wait_for()
    heads = page.get_by_role("columnheader").all_inner_texts()
    assert heads.index("1_pck/pck_at_0.1") < heads.index("2_error/nme") < heads.index("3_attention/entropy")
    page.get_by_text("0.55 (average)").wait_for()  # the group's mean over seeds


def test_the_menu_has_the_other_views(link, page):
    page.goto(link.replace("harness-main", "harness-convergence"))
    page.get_by_text("2 Convergence: loss by step").first.wait_for()
    page.get_by_text("curve/loss", exact=True).first.wait_for()


def test_a_trial_has_its_description_and_its_picture(link, page):
    page.goto(link)
    page.get_by_text("strength=0.5 seed=1", exact=True).click()
    page.get_by_text("PCK@0.1 0.6, NME 0.2").first.wait_for()
    picture = page.locator("img[src*='get-artifact']").first
    picture.wait_for(state="attached")
    page.wait_for_function("document.querySelector(\"img[src*='get-artifact']\").naturalWidth > 0")
    page.get_by_text("harness run strength").first.wait_for()
    assert page.locator("text=About this run").bounding_box()["x"] < 1500  # the picture does not push it out

"""The pages in a real browser without a network: accessible, not too wide for a phone, and whole in print.

Needs Chromium, on the path or where CHROMIUM names it, and is left out where there is none.
"""

import os
import shutil
from pathlib import Path

import pytest

from tests.report import stores
from tests.report.html.test_pages import picture

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path")]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The page of a report, and the page of one of its settings."""
    from harness.__main__ import main

    results = tmp_path_factory.mktemp("browser")
    stores.study(results, seeds=3, panel=picture())
    assert main(["report", "fake", "--results", str(results), "--format", "html"]) == 0
    return [results / "fake" / "report.html", *sorted((results / "fake" / "report-trials").glob("*.html"))[:1]]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_wrong_and_nothing_is_fetched(pages, browser, scheme, size):
    from axe_playwright_python.sync_playwright import Axe

    for path in pages:
        context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(path.as_uri())
        for unfold in (False, True):
            if unfold:
                page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            found = Axe().run(page, options=RULES).response["violations"]
            assert [(each["id"], each["help"], each["nodes"][0]["html"][:200]) for each in found] == []
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert all(url.startswith(("file:", "data:")) for url in asked)
        context.close()


def test_every_part_of_a_page_can_be_reached_with_the_keyboard(pages, browser):
    page = browser.new_page()
    page.goto(pages[0].as_uri())
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert {"A", "SUMMARY", "DIV"} <= reached  # links, numbers that open, tables that scroll
    page.close()


def test_a_link_to_a_trial_opens_its_page_at_its_place(pages, browser):
    page = browser.new_page()
    page.goto(pages[0].as_uri())
    page.locator("td details summary").first.click()
    page.locator("td details[open] .trials a").first.click()
    page.wait_for_url("**/report-trials/*#t-*")
    place = page.evaluate("document.querySelector(':target').getBoundingClientRect().top")
    assert 0 <= place < 900
    page.close()


def test_it_prints_every_table_and_figure_without_what_is_for_screens(pages, browser, tmp_path):
    page = browser.new_page()
    page.goto(pages[0].as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    shown = page.evaluate("[...document.querySelectorAll('table, figure')].every(each => each.checkVisibility())")
    left = page.evaluate("[...document.querySelectorAll('nav, .screen, .files')].some(each => each.checkVisibility())")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (shown, left, paper) == (True, False, "rgb(255, 255, 255)")
    page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    page.close()

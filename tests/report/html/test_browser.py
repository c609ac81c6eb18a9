"""The pages in a real browser without a network: accessible, not too wide for a phone, and whole in print.

Needs Chromium, on the path or where CHROMIUM names it, and is left out where there is none.
"""

from pathlib import Path

import pytest

from tests.browser import DESKTOP, NEEDED, PHONE, demand_accessible, offline
from tests.report import stores
from tests.report.html.test_pages import picture

pytestmark = NEEDED


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The page of a report, and the page of one of its settings."""
    from harness.__main__ import main

    results = tmp_path_factory.mktemp("browser")
    stores.study(results, seeds=3, panel=picture())
    assert main(["report", "fake", "--results", str(results), "--format", "html"]) == 0
    return [results / "fake" / "report.html", *sorted((results / "fake" / "report-trials").glob("*.html"))[:1]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_wrong_and_nothing_is_fetched(pages, browser, scheme, size):
    for path in pages:
        with offline(browser, path, scheme, size, ("file:", "data:")) as page:
            demand_accessible(page)
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            demand_accessible(page)


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

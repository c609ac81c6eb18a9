"""The gallery in a real browser without a network: accessible, not too wide for a phone, pictures shown."""

from pathlib import Path

import numpy as np
import pytest

from tests.report import stores
from tests.report.html.test_browser import CHROMIUM, DESKTOP, PHONE, RULES, browser  # noqa: F401  a fixture
from tests.report.html.test_pages import picture

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path")]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The index of a gallery with pictures of scenes, and the page of a trial."""
    from harness.__main__ import main
    from harness.cli import _gallery_files
    from harness.report.gallery.scenes import canvas

    results = tmp_path_factory.mktemp("browser")
    stores.study(results, seeds=2, scenes=3, panel=picture())
    drawn = [canvas(np.full((2, 3, 32, 32), 0.5))] * 3  # of data that is made up
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_gallery_files.Scenes, "of", lambda self, record: drawn)
        assert main(["gallery", "fake", "--results", str(results)]) == 0
    folder = results / "fake" / "gallery"
    shown = next(folder.glob("pages/*/scene-000.webp"))
    return [folder / "index.html", shown.parent / "index.html"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_wrong_pictures_show_and_nothing_is_fetched(pages, browser, scheme, size):  # noqa: F811
    from axe_playwright_python.sync_playwright import Axe

    for path in pages:
        context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(path.as_uri())
        found = Axe().run(page, options=RULES).response["violations"]
        assert [(each["id"], each["help"], each["nodes"][0]["html"][:200]) for each in found] == []
        page.evaluate("document.querySelectorAll('img').forEach(each => each.loading = 'eager')")
        page.wait_for_function("[...document.images].every(each => each.complete)")
        assert page.evaluate("[...document.images].filter(each => !each.naturalWidth).length") == 0
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert all(address.startswith("file:") for address in asked)
        context.close()

"""The gallery in a real browser without a network: accessible, not too wide for a phone, pictures shown."""

from pathlib import Path

import numpy as np
import pytest

from tests.browser import DESKTOP, NEEDED, PHONE, demand_accessible, offline
from tests.report import stores
from tests.report.html.test_pages import picture

pytestmark = NEEDED


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
def test_axe_finds_nothing_wrong_pictures_show_and_nothing_is_fetched(pages, browser, scheme, size):
    for path in pages:
        with offline(browser, path, scheme, size, ("file:",)) as page:
            demand_accessible(page)
            page.evaluate("document.querySelectorAll('img').forEach(each => each.loading = 'eager')")
            page.wait_for_function("[...document.images].every(each => each.complete)")
            assert page.evaluate("[...document.images].filter(each => !each.naturalWidth).length") == 0
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")  # with pictures, too

"""The documents as a site: links and anchors lead somewhere, it builds strictly, and its pages fetch nothing."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "results/reference/README.md", *sorted((ROOT / "docs").glob("*.md")),
         *sorted((ROOT / "harness").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
FETCHED = re.compile(r"""<(?:script|img|iframe|source)[^>]+src=["']?https?:|<link[^>]+href=["']?https?:""")


def prose(path):
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(path):
    """Return the anchors of a page's headings, as code hosts make them."""
    made, seen = set(), Counter()
    for heading in re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        made.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return made


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_relative_links_and_anchors_lead_somewhere(page):
    for link, anchor in LINK.findall(prose(page)):
        target = (page.parent / link).resolve() if link else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), f"{link}#{anchor}"


def test_the_navigation_leads_to_every_page():
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    listed = [path for entry in navigation for path in entry.values()]
    assert sorted(listed) == sorted(["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="needs mkdocs-material, the extra `docs`")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True,
                           env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    assert (built.returncode, built.stderr) == (0, "")
    return folder


def test_the_site_builds_strictly_and_holds_what_its_pages_link_to(site):
    pages = [*(f"docs/{path.stem}.html" for path in (ROOT / "docs").glob("*.md")), "index.html"]
    assert [page for page in pages if not (site / page).is_file()] == []
    for page in site.rglob("*.html"):
        for link in re.findall(r"""(?:href|src)="?(?!https?:|/|#|mailto:)([^"#> ]+)""", page.read_text()):
            assert (page.parent / link).exists(), f"{page.relative_to(site)}: {link}"


def test_the_sites_pages_fetch_nothing_from_other_machines(site):
    for page in site.rglob("*.html"):
        assert FETCHED.findall(page.read_text()) == [], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?https?:|@import", style.read_text()), style.name


def test_lists_are_respaced_as_python_markdown_reads_them():
    pytest.importorskip("mkdocs", reason="needs mkdocs-material, the extra `docs`")
    from site_pages import respaced

    text = ["text", "- one", "  goes on", "", "      code", "", "  more", "- two", "- three", "", "```yaml",
            "- x", "- y", "```", "1. first", "   goes on"]
    assert list(respaced(text)) == [
        "text", "", "- one", "    goes on", "", "        code", "", "    more", "", "- two", "- three", "", "```yaml",
        "- x", "- y", "```", "", "1. first", "     goes on"]

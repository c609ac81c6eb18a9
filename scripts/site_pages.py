"""The hook of mkdocs.yml: README and docs/, with all files that they lead to, at their paths in the repository."""

import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)")
LIST = re.compile(r"(-|\d+\.) ")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of docs/ by the repository's own tree, as far as the pages need it."""
    start = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    added = [File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
             for path in reached(start)]
    theme = [file for file in files if file.abs_src_path and not Path(file.abs_src_path).is_relative_to(ROOT / "docs")]
    return Files([*added, *theme])


def on_page_markdown(markdown: str, **_: object) -> str:
    """Write lists as Python-Markdown reads them."""
    return "\n".join(respaced(markdown.split("\n")))


def reached(start: list[Path]) -> list[Path]:
    """Return these pages and the files of the repository that their relative links lead to, and so on."""
    found: dict[Path, None] = {}
    waiting = [*start]
    while waiting:
        path = waiting.pop(0)
        if path in found or not path.is_file() or not path.is_relative_to(ROOT):
            continue  # a link to nothing is the build's to report
        found[path] = None
        if path.suffix == ".md":
            waiting += [(path.parent / link).resolve() for link in LINK.findall(path.read_text())]
    return list(found)


def respaced(lines: list[str]) -> Iterator[str]:
    """Yield lines with lists as CommonMark means them.

    Python-Markdown wants what belongs to an item four columns to the right, not two, and an empty line before an item
    that follows a paragraph.
    """
    inside = loose = fenced = False
    previous = ""
    for line in lines:
        fenced ^= line.startswith("```")
        item = bool(LIST.match(line)) and not fenced
        if item and previous and (loose or not inside):
            yield ""
        if line and not line.startswith(" "):
            inside = item
        loose = inside and not item and (loose or not line)  # the item has more than one paragraph
        previous = line
        yield "  " + line if inside and line.startswith("  ") else line

"""The frame of every page: one file that fetches nothing, in the reader's own light or dark, fit to print."""

from collections.abc import Iterable
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import quote


def page(title: str, body: str) -> str:
    """Return a whole document; ``body`` is HTML, ``title`` text."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{_style()}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
{body}
</body>
</html>
"""


def link(target: str, words: str, classes: str = "") -> str:
    """Return a link; ``target`` is an address or a relative path that stands as it is, ``words`` are text."""
    mark = f' class="{classes}"' if classes else ""
    return f'<a{mark} href="{escape(target)}">{escape(words)}</a>'


def path(*parts: str) -> str:
    """Return a relative address from names of files and folders."""
    return "/".join(quote(part) for part in parts)


def scrolling(table: str, label: str) -> str:
    """Return a table in a frame that scrolls by itself where the page is too narrow, also with the keyboard."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">\n{table}\n</div>'


def notes(lines: Iterable[str]) -> str:
    """Return lines of small print."""
    return '<div class="notes">\n' + "\n".join(f"<p>{escape(line)}</p>" for line in lines) + "\n</div>"


@cache
def _style() -> str:
    return (Path(__file__).parent / "page.css").read_text()

"""A figure's SVG as part of a page: in the page's colours, with unique ids."""

import re
from html import escape

from harness.report.figures._style import FAINT, GRID, INK, PAPER

PAGE_COLOURS = {INK: "currentColor", FAINT: "var(--faint)", GRID: "var(--grid)", PAPER: "var(--paper)"}


def inline(svg: str, name: str, label: str) -> str:
    """Return the drawing as an element; ``name`` keeps its ids from those of other figures, ``label`` is read aloud."""
    start = svg.index("<svg")
    head, rest = svg[start : svg.index(">", start) + 1], svg[svg.index(">", start) + 1 :]
    box = re.search(r'viewBox="[^"]+"', head)
    rest = re.sub(r"\s*<metadata>.*?</metadata>", "", rest, count=1, flags=re.DOTALL)
    rest = re.sub(r'\bid="', f'id="{name}-', rest)
    rest = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", rest).replace("xlink:href", "href")
    for colour, page_colour in PAGE_COLOURS.items():
        rest = rest.replace(colour, page_colour)
    return f'<svg {box[0] if box else ""} role="img" aria-label="{escape(label)}">{rest.strip()}'

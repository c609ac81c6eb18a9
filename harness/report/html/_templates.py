"""Filling of the pages' templates, with every text escaped."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def fill(template: str, **values: Any) -> str:
    """Return a page from a file of templates/; quotes are escaped by name, as `html.escape` does."""
    text = _environment().get_template(template).render(**values)
    return text.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent
    return Environment(loader=FileSystemLoader([folder / "templates", folder]), autoescape=True, trim_blocks=True,
                       lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined, auto_reload=False)

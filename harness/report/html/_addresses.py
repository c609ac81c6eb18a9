"""Names of files and places in a report's pages."""

import re
from urllib.parse import quote


def path(*parts: str) -> str:
    """Return a relative address from names of files and folders."""
    return "/".join(quote(part) for part in parts)


def slug(label: str) -> str:
    """Return a setting's words as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:60] or "setting"


def anchor(trial: str) -> str:
    """Return the name of a trial's place on its page."""
    return f"t-{trial}"

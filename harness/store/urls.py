"""Addresses of databases and servers: checked, and without passwords for the screen."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import UsageError

SQLITE = "sqlite:///"
OPTIONS = re.compile(r"\?\w+=[\w.-]+(&\w+=[\w.-]+)*$")  # such as ?timeout=60


def check_sqlite_path(uri: str) -> str:
    """Return an address; raise UsageError if it is a SQLite file with % or ? in its path, options aside.

    Both have a meaning in addresses. MLflow uses the path once undecoded and once decoded, so with or without escapes
    it would write some files to another folder.
    """
    if uri.startswith("sqlite:") and not {"%", "?"}.isdisjoint(OPTIONS.sub("", uri)):
        raise UsageError(f"{uri.removeprefix(SQLITE)}: a database cannot lie in a path with % or ?; "
                         f"choose another folder")
    return uri


def sqlite_path(uri: str) -> Path | None:
    """Return the file of a SQLite address, without its options; None for another address."""
    return Path(OPTIONS.sub("", uri).removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def hide_password(uri: str) -> str:
    """Return an address without user name and password."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else uri

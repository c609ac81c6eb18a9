"""Addresses of databases and servers: checked, and without passwords for the screen."""

from urllib.parse import urlsplit

from harness.errors import UsageError


def check_sqlite_path(uri: str) -> str:
    """Return an address; raise UsageError if it is a SQLite file with % or ? in its path.

    Both have a meaning in addresses. MLflow uses the path once undecoded and once decoded, so with or without escapes
    it would write some files to another folder.
    """
    if uri.startswith("sqlite:") and not {"%", "?"}.isdisjoint(uri):
        raise UsageError(f"{uri.removeprefix('sqlite:///')}: a database cannot lie in a path with % or ?; "
                         f"choose another folder")
    return uri


def hide_password(uri: str) -> str:
    """Return an address without user name and password."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else uri

"""Addresses of databases and servers: checked, and shown without their passwords."""

from urllib.parse import urlsplit

from harness.errors import UsageError


def plain(uri: str) -> str:
    """Return an address; raise UsageError for one of a SQLite file with % or ? in its path.

    They mean something in an address. MLflow takes its path once as it stands and once decoded, so that whether they
    are escaped or not, something is written to another folder.
    """
    if uri.startswith("sqlite:") and not {"%", "?"}.isdisjoint(uri):
        raise UsageError(f"{uri.removeprefix('sqlite:///')}: a database cannot lie in a path with % or ?; "
                         f"choose another folder")
    return uri


def shown(uri: str) -> str:
    """Return an address without the user name and password it may carry."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else uri

"""Annotation files in JSON and text: read them, or raise UsageError naming the file."""

import json
from pathlib import Path
from typing import Any

from harness.errors import UsageError

DIGITS = 150  # the product of two such integers still is a float


def read_bytes(path: Path, source: str) -> bytes:
    """Return a file's content; raise UsageError if it is missing or empty."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; get it from {source}") from error
    if not content:
        raise UsageError(f"{path}: empty; get it again from {source}")
    return content


def parse_json(content: bytes, path: Path) -> Any:
    """Return the content of a JSON file; raise UsageError if it is truncated or not JSON.

    An integer that no float holds becomes infinite, as 1e999 does.
    """
    try:
        return json.loads(content, parse_int=_integer)
    except (ValueError, RecursionError) as error:  # bad JSON, bad UTF-8, lists in lists without end
        raise UsageError(f"{path}: not a JSON file: {error}") from error


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= DIGITS else float(text)


def parse_lines(content: bytes, path: Path) -> list[str]:
    """Return a text file's lines without surrounding blanks; raise UsageError if it is not text."""
    try:
        return [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a text file in UTF-8: {error}") from error

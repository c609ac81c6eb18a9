"""Annotation files as users have them: read whole, or refused in one line that names the file."""

import json
from pathlib import Path
from typing import Any

from harness.errors import UsageError


def read_bytes(path: Path, source: str) -> bytes:
    """Return a file's content; raise UsageError where it is missing or empty."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; get it from {source}") from error
    if not content:
        raise UsageError(f"{path}: empty; get it again from {source}")
    return content


def parse_json(content: bytes, path: Path) -> Any:
    """Return what a JSON file holds; raise UsageError where it is cut short or no JSON."""
    try:
        return json.loads(content)
    except ValueError as error:  # bad JSON and bad UTF-8 alike
        raise UsageError(f"{path}: not a JSON file: {error}") from error


def parse_lines(content: bytes, path: Path) -> list[str]:
    """Return a text file's lines, blanks around them removed; raise UsageError where it is no text."""
    try:
        return [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a text file in UTF-8: {error}") from error

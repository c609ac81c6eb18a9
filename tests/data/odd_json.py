"""A JSON file with an odd value in every place, one at a time."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.errors import UsageError

ODD = (None, True, "x", "", [], {}, [[]], -1, 10**400, float("inf"), float("nan"))


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a JSON document, the whole and inner ones too."""
    yield path
    lists = enumerate(document) if isinstance(document, list) else ()
    for key, value in document.items() if isinstance(document, dict) else lists:
        yield from places(value, (*path, key))


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with ``value`` in one place."""
    if not path:
        return value
    copy = json.loads(json.dumps(document))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy


def refusals(file: Path, read: Callable[[], object]) -> int:
    """How many of the documents are refused; each in one line, and nothing but UsageError comes out."""
    document, refused = json.loads(file.read_text()), 0
    for path in places(document):
        for value in ODD:
            file.write_text(json.dumps(changed(document, path, value)))
            try:
                read()
            except UsageError as error:
                refused += 1
                long = "\n" in str(error)
                assert not long, (path, value)
    return refused

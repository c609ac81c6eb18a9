"""Where a run stands, for other processes to read: one small file that the coordinator rewrites about once a second."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.store import lock
from harness.store.atomic_files import put_file

FILE = "heartbeat.json"
EVERY = 1.0  # seconds


class Heartbeat:
    """Writes where a run stands; a disk that is full costs the news, never the run."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._holder = lock.me()
        self._last = -EVERY

    def beat(self, content: Callable[[], Mapping[str, Any]], *, now: bool = False) -> None:
        """Write the content if it is time, or ``now``."""
        if not now and time.monotonic() - self._last < EVERY:
            return
        self._last = time.monotonic()
        try:
            put_file(self._path, json.dumps({**self._holder, "at": lock.now(), **content()}).encode())
        except OSError:
            return


def read(folder: Path) -> dict[str, Any] | None:
    """Return the last heartbeat of an experiment, None where there is none."""
    try:
        content = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None

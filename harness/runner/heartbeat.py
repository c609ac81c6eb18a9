"""A run's state for other processes: a small file that the coordinator rewrites about once a second."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.store import lock
from harness.store.atomic_files import replace_file_unsynced
from harness.store.parquet_json import read_json

FILE = "heartbeat.json"
EVERY = 1.0  # seconds


class Heartbeat:
    """Writes a run's state; if the disk refuses, the file stays old and the run goes on."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._identity = lock.process_identity()
        self._last = -EVERY

    def beat(self, content: Callable[[], Mapping[str, Any]], *, now: bool = False) -> None:
        """Write the content if the last write is EVERY seconds ago, or at once if ``now``."""
        if not now and time.monotonic() - self._last < EVERY:
            return
        self._last = time.monotonic()
        with suppress(OSError):
            replace_file_unsynced(self._path, json.dumps({**self._identity, "at": lock.now(), **content()}).encode())


def read_heartbeat(folder: Path) -> dict[str, Any] | None:
    """Return the last heartbeat of an experiment, None if there is none."""
    return read_json(folder / FILE)

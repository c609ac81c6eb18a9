"""Chooses how progress is shown on stderr: a live view on a terminal, plain lines elsewhere."""

import os
import sys
from collections.abc import Callable

from harness.cli._progress_lines import ProgressLines


def progress(note: Callable[[], None]) -> ProgressLines:
    """Return a live view on a terminal, plain lines elsewhere."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from harness.cli._progress_live import LiveProgress

        return LiveProgress(note)
    return ProgressLines(note)

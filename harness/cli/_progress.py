"""Progress on stderr while trials run: a live view on a terminal, plain lines elsewhere."""

import os
import sys
from collections.abc import Callable

from harness.cli._progress_lines import Lines


def progress(note: Callable[[], None]) -> Lines:
    """Return a live view on a terminal, plain lines elsewhere."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from harness.cli._progress_live import Live

        return Live(note)
    return Lines(note)

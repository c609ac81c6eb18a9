"""The experiments in a results folder, and the folder that a command or a notebook means without naming one."""

import os
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UsageError, nearest


def default_results() -> Path:
    """Return the results folder: HARNESS_RESULTS, else results/. It need not exist."""
    return Path(os.environ.get("HARNESS_RESULTS") or "results")


def recorded_experiments(results: Path) -> tuple[str, ...]:
    """Return the names of the experiments that have records."""
    return tuple(sorted(path.parent.name for path in results.glob("*/trials") if path.is_dir()))


def chosen_experiments(results: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return the named experiments, by default all that have records; raise UsageError for a name without records."""
    with_records = recorded_experiments(results)
    for name in names:
        if name not in with_records:
            raise UsageError(f"{results}: no records of {name!r}{nearest(name, with_records)}")
    if not with_records:
        raise UsageError(f"{results}: nothing was recorded there; `harness run fusion` records")
    return tuple(dict.fromkeys(names)) or with_records

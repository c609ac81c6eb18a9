"""Each trial as its page shows it: where its pictures and files are from there."""

import base64
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.report.html._page import path
from harness.report.html._setting_page import Trial
from harness.report.tables.rows import Record
from harness.store.store import Store

EMBEDDED = 60  # pictures that pages carry where they do not lie beside the trials; beyond that they are linked
WIDTH_PX, QUALITY = 1000, 72


def collect(records: Iterable[Record], results: Path, home: Path, runs: Mapping[tuple[str, str], str],
            hint: str) -> dict[str, Trial]:
    """Return the trials by id, for pages one folder below ``home``.

    Beside the store's own folder of trials, files are linked. Elsewhere pictures are carried along, reduced, while
    they are few, so that the pages may be moved or committed. ``runs`` are MLflow's addresses by id and start of the
    attempt, ``hint`` is what is said where there is none.
    """
    known = {str(record["id"]): record for record in records}
    beside = {name: _beside(home, results, name) for name in {record["experiment"] for record in known.values()}}
    trials = {name: _relative(Store(results, name).trials, home) for name in beside}
    carry = sum(len(_pictures(record)) for record in known.values() if not beside[record["experiment"]]) <= EMBEDDED
    found = {}
    for trial, record in known.items():
        folder = Store(results, record["experiment"]).path(trial)
        names = (*record.get("files", {}), "record.json")
        linked = {name: f"{trials[record['experiment']]}/{path(trial, name)}" for name in names}
        if carry and not beside[record["experiment"]]:
            pictures, files = {name: _data(folder / name) for name in _pictures(record)}, {}
        else:
            pictures = {name: linked[name] for name in _pictures(record)}
            files = {name: address for name, address in linked.items() if name not in pictures}
        run = runs.get((trial, str(record.get("started"))), "")
        found[trial] = Trial(record, {name: a for name, a in pictures.items() if a}, files, run, hint)
    return found


def _beside(home: Path, results: Path, experiment: str) -> bool:
    return home.resolve() == (results / experiment).resolve()


def _pictures(record: Record) -> list[str]:
    return [name for name in record.get("files", {}) if name.endswith(".png")]


def _relative(folder: Path, home: Path) -> str:
    """Return a folder's address from a page one folder below ``home``."""
    return path(*Path(os.path.relpath(folder.resolve(), home.resolve() / "below")).parts)


def _data(file: Path) -> str:
    """Return a picture as an address that holds it, no wider than WIDTH_PX; "" where it cannot be read."""
    from PIL import Image

    try:
        with Image.open(file) as picture:
            small = picture.convert("RGB")
    except OSError:
        return ""
    small.thumbnail((WIDTH_PX, 4 * WIDTH_PX))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"

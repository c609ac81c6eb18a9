"""The trials of a report as sections of their pages, with the addresses of their pictures and files."""

import base64
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.report.html._addresses import path
from harness.report.html._setting_page import TrialSection
from harness.report.tables.rows import Record
from harness.store.store import Store

EMBEDDED = 60  # most pictures that pages embed if they lie in another folder than the trials; above it they are linked
WIDTH_PX, QUALITY = 1000, 72


def collect(records: Iterable[Record], results: Path, home: Path, runs: Mapping[tuple[str, str], str],
            hint: str) -> dict[str, TrialSection]:
    """Return the sections by trial, for pages one folder below ``home``.

    Pages in the experiment's folder link to files. Pages elsewhere embed the pictures, reduced, if these are few,
    so that the pages may be moved or committed. ``runs`` are MLflow's addresses by id and start of the attempt,
    ``hint`` is the text for a trial without one.
    """
    by_id = {str(record["id"]): record for record in records}
    beside = {name: _beside(home, results, name) for name in {record["experiment"] for record in by_id.values()}}
    folders = {name: _relative(Store(results, name).trials, home) for name in beside}
    embed = sum(len(_pictures(record)) for record in by_id.values() if not beside[record["experiment"]]) <= EMBEDDED
    sections = {}
    for trial, record in by_id.items():
        folder = Store(results, record["experiment"]).path(trial)
        names = (*record.get("files", {}), "record.json")
        linked = {name: f"{folders[record['experiment']]}/{path(trial, name)}" for name in names}
        if embed and not beside[record["experiment"]]:
            pictures, files = {name: _data(folder / name) for name in _pictures(record)}, {}
        else:
            pictures = {name: linked[name] for name in _pictures(record)}
            files = {name: address for name, address in linked.items() if name not in pictures}
        run = runs.get((trial, str(record.get("started"))), "")
        pictures = {name: address for name, address in pictures.items() if address}
        sections[trial] = TrialSection(record, pictures, files, run, hint)
    return sections


def _beside(home: Path, results: Path, experiment: str) -> bool:
    return home.resolve() == (results / experiment).resolve()


def _pictures(record: Record) -> list[str]:
    return [name for name in record.get("files", {}) if name.endswith(".png")]


def _relative(folder: Path, home: Path) -> str:
    """Return a folder's address from a page one folder below ``home``."""
    return path(*Path(os.path.relpath(folder.resolve(), home.resolve() / "below")).parts)


def _data(file: Path) -> str:
    """Return a picture as a data address, at most WIDTH_PX wide; "" if it cannot be read."""
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

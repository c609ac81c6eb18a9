"""Writes a gallery's folders and pages: only those whose trial, evolution or setting changed."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import _report_files
from harness.cli._options import demand_no_file
from harness.cli._trial_files import reader
from harness.config.setting_texts import canonical
from harness.config.spec import ReportSpec
from harness.errors import UsageError
from harness.report.evolution.files import FOLDER, NUMBERS
from harness.report.gallery import pages, words
from harness.report.gallery.pages import Folder
from harness.report.inputs import Columns
from harness.report.tables.rows import Group, group_records
from harness.store import lock
from harness.store.atomic_files import make_folder, replace_file_unsynced, replace_folder_unsynced
from harness.store.parquet_json import read_json, to_plain_json
from harness.store.store import Store

if TYPE_CHECKING:
    from PIL import Image

Record = dict[str, Any]
VERSION = 1  # of the pages and pictures: raise it when they change
INDEX, MARK, OWN = "index.html", "metadata.json", "gallery.json"
OF_EVOLUTION = (".webp", ".gif", ".png", ".svg", ".csv", ".json")  # files of an evolution that a gallery holds


@dataclass(frozen=True)
class Made:
    """The index, and the numbers of trials, of folders written and of folders removed."""

    page: Path
    trials: int
    written: int
    removed: int


class Scenes:
    """The first test scenes of datasets, as small pictures, drawn once for all trials; none of data not at hand."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._by_data: dict[str, list[Image.Image]] = {}

    def of(self, record: Record) -> "list[Image.Image]":
        """Return the scenes of a trial's data."""
        spec = record["spec"]
        key = canonical([spec["data"], record["fingerprints"].get("data"), min(self.count, spec["test_scenes"])])
        if key not in self._by_data:
            self._by_data[key] = self._draw(record)
        return self._by_data[key]

    def _draw(self, record: Record) -> "list[Image.Image]":
        from harness import registry
        from harness.report.gallery.scenes import canvas

        knobs = dict(record["spec"]["data"])
        try:
            data = registry.build("data", knobs.pop("name"), knobs)
            if data.fingerprint() != record["fingerprints"].get("data"):
                return []
            return [canvas(data.scene("test", index).views.numpy())
                    for index in range(min(self.count, record["spec"]["test_scenes"]))]
        except UsageError:
            return []


def write_gallery(store: Store, records: Sequence[Record], folder: Path, scenes: int) -> Made:
    """Write a gallery into ``folder``; of a second call only what changed."""
    layout = _report_files.read_layout(store)
    finished = sorted((r for r in records if r["status"] == "finished"), key=lambda record: str(record["started"]))
    groups = group_records(finished, layout.report if layout else ReportSpec())[1] if finished else ()
    _demand_own(folder, store.experiment)
    make_folder(folder)
    with lock.exclusive(folder / "lock.json"):
        if not (folder / OWN).is_file():
            replace_file_unsynced(folder / OWN, json.dumps({"experiment": store.experiment}).encode())
        drawn, folders, written = Scenes(scenes), {}, 0
        for group in groups:
            first = min(int(record["spec"]["seed"]) for record in group.records)
            for record in group.records:
                place, shows = folder / pages.FOLDERS / record["id"], record["spec"]["seed"] == first
                entry = _Entry(store, dict(record), group, place, drawn, shows)
                folders[str(record["id"])], fresh = entry.kept_or_written()
                written += fresh
        removed = _remove_others(folder / pages.FOLDERS, folders)
        others = [record for record in records if record["status"] != "finished"]
        page = pages.index_page(store.experiment, groups, folders, others).encode()
        if not (folder / INDEX).is_file() or (folder / INDEX).read_bytes() != page:
            replace_file_unsynced(folder / INDEX, page)
    return Made(folder / INDEX, len(folders), written, removed)


@dataclass(frozen=True)
class _Entry:
    """A trial's folder before it is written; ``shows``: it is the trial whose scenes the index shows."""

    store: Store
    record: Record
    group: Group
    place: Path
    scenes: Scenes
    shows: bool

    def kept_or_written(self) -> tuple[Folder, bool]:
        """Return the folder as it is if nothing changed, else write it; and whether it was written."""
        before = read_json(self.place / MARK)
        if before is not None and before.get("stamp") == self.stamp:
            scores = {name: float("nan") if value is None else value for name, value in before["scenes"].items()}
            return Folder(self.record, tuple(before["files"]), scores), False
        return self._write(), True

    @cached_property
    def stamp(self) -> str:
        """Return a text that changes with the record, its evolution, its setting's name, and the scenes at hand."""
        numbers = self.source / FOLDER / NUMBERS
        changed = numbers.stat().st_mtime_ns if numbers.is_file() else None
        scenes = len(self.scenes.of(self.record)) if self.shows else 0
        text = canonical([VERSION, self.record["ended"], self.record["files"], changed, self.group.name, scenes])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def source(self) -> Path:
        """Return the trial's folder in the store."""
        return self.store.path(self.record["id"])

    def _write(self) -> Folder:
        points = self._points()
        numbers = read_json(self.source / FOLDER / NUMBERS)
        described = (words.from_evolution(numbers) if numbers else
                     words.from_points(points, self.record["keypoints"]) if points else [])
        # Copies: a link would let an edit of the gallery damage the record.
        content: dict[str, bytes | Path] = {name: (self.source / name).read_bytes() for name in self.record["files"]
                                            if name.endswith(".png")}
        if numbers:
            content |= {path.name: path for path in sorted((self.source / FOLDER).iterdir())
                        if path.suffix in OF_EVOLUTION}
        drawn, scores = self._scenes(points)
        content |= drawn
        folder = Folder(self.record, tuple(content), scores, described)
        data = json.dumps(to_plain_json(pages.metadata(folder, self.stamp)), indent=1, allow_nan=False)
        text = {"description.txt": pages.description(folder).encode()} if described else {}
        replace_folder_unsynced(self.place, {
            **content, **text, MARK: data.encode(),
            INDEX: pages.trial_page(self.store.experiment, self.group.name or "trial", folder).encode()})
        return folder

    def _points(self) -> Columns:
        if "points.parquet" not in self.record["files"]:
            return {}
        return reader(self.store.results)(self.record, "points")

    def _scenes(self, points: Columns) -> tuple[dict[str, bytes], dict[str, float]]:
        """Return the pictures of the scenes by name, and the PCK of each; none without recorded positions."""
        if not (self.shows and {"truth_y", "found_y"} <= points.keys() and len(points["scene"])):
            return {}, {}
        from harness.report.gallery.scenes import picture

        drawn = {f"scene-{number:03}.webp": picture(scene, points, number)
                 for number, scene in enumerate(self.scenes.of(self.record))}
        return ({name: content for name, (content, _) in drawn.items()},
                {name: score for name, (_, score) in drawn.items()})


def _remove_others(trials: Path, folders: Mapping[str, Folder]) -> int:
    """Remove folders of trials that are no longer finished; return their number."""
    others = [path for path in trials.iterdir() if path.name not in folders] if trials.is_dir() else []
    for path in others:
        shutil.rmtree(path, ignore_errors=True)
    return len(others)


def _demand_own(folder: Path, experiment: str) -> None:
    """Raise UsageError for a folder that is not this experiment's gallery and holds files, which would be lost."""
    demand_no_file(folder, "--output")
    if folder.is_dir() and any(folder.iterdir()) and (read_json(folder / OWN) or {}).get("experiment") != experiment:
        raise UsageError(f"--output {folder}: holds files, and not the gallery of {experiment}; name a new folder")

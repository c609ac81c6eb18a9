"""Makes the evolution of a finished trial's attention and writes its files."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli._options import demand_own_folder
from harness.config.spec import TrialSpec
from harness.errors import SOME_FAILED, UsageError
from harness.report.evolution.files import FOLDER, NUMBERS, files
from harness.store.atomic_files import write_folder
from harness.store.parquet_json import read_parquet
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.report.evolution.agreement import Agreement


def show(store: Store, record: Mapping[str, Any], scene: int, output: Path | None, *, as_json: bool) -> int:
    """Write a trial's evolution and print where it is; return 1, with one line, if there is nothing true to draw."""
    from harness.method.evolution import Unfaithful
    from harness.models.attention.capture import NothingCaptured

    try:
        place, found = write_evolution(store, record, scene, output)
    except (NothingCaptured, Unfaithful) as error:
        print(f"error: {error}", file=sys.stderr)
        return SOME_FAILED
    if as_json:
        print((place / NUMBERS).read_text())
        return 0
    print(f"evolution  {place}/: {' '.join(sorted(file.name for file in place.iterdir()))}")
    print(f"checked    against the record: {found.words}")
    return 0


def write_evolution(store: Store, record: Mapping[str, Any], scene: int = 0, output: Path | None = None
                    ) -> "tuple[Path, Agreement]":
    """Capture and write a trial's evolution; return its folder and how it agrees with the record.

    Raises:
        UsageError: The trial has not finished, its data or weights are not those of the record, or it has no such
            scene.
        Unfaithful: The captured maps are not those that the record's scores were computed from.
    """
    from harness.method.evolution import Unfaithful, evolve
    from harness.report.evolution.agreement import agreement

    trial, spec = str(record["id"]), unchanged_spec(record)
    folder = store.path(trial)
    evolution = evolve(spec, store.tokens(trial), scene)
    scenes = read_parquet(folder / "scenes.parquet") if "scenes.parquet" in record["files"] else {}
    found = agreement(evolution, store.points(trial), scenes)
    if found.problem:
        raise Unfaithful(f"trial {trial}: {found.problem}: these are not the maps of its scores; nothing is drawn")
    place = output or folder / FOLDER
    demand_own_folder(place, NUMBERS)
    title = f"{record['experiment']} {trial[:8]}: {evolution.scene_name}"
    try:
        write_folder(place, files(evolution, found, trial, title))
    except OSError as error:
        raise UsageError(f"{place}: cannot be written: {error.strerror}") from error
    return place, found


def unchanged_spec(record: Mapping[str, Any]) -> TrialSpec:
    """Return the setting of a finished trial; UsageError if its data or weights are not those of the record."""
    from harness.method.fingerprints import fingerprints

    trial = str(record["id"])
    if record["status"] != "finished":
        raise UsageError(f"trial {trial} is {record['status']}; only a finished one has tokens to look at")
    spec = TrialSpec.from_dict(record["spec"])
    prints = fingerprints(spec)
    changed = [name for name, value in prints.items() if record["fingerprints"].get(name) != value]
    if changed:
        raise UsageError(f"trial {trial}: its {' and '.join(changed)} changed since it was recorded; its maps cannot "
                         "be captured again")
    return spec

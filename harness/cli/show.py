"""Show one trial: what was not left at its default, what it scored, where its files are."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from harness.cli import _lookup
from harness.cli._options import add_results, results_of
from harness.store.parquet_json import strict
from harness.store.store import Store


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("trial", help="the beginning of a trial's id")
    add_results(parser)
    parser.add_argument("--json", action="store_true", help="print JSON: the record, and the settings changed")


def main(args: argparse.Namespace) -> int:
    """Print the trial; 1 where its folder cannot be trusted."""
    store, trial = _lookup.trial(results_of(args), args.trial)
    record = store.record(trial)
    if record is None:
        problem = store.unreadable().get(trial, "there is no whole record")
        print(f"{store.path(trial)} is not trusted: {problem}")
        return 1
    if args.json:
        print(json.dumps(strict(_plain(store, record)), indent=1, allow_nan=False))
    else:
        print("\n\n".join(filter(None, [_head(record), _settings(record), _scores(record), _curve(store, record),
                                        _files(store, record)])))
    return 0


def _plain(store: Store, record: Mapping[str, Any]) -> dict[str, Any]:
    from harness.report.compare.setting_changes import changed

    return {**record, "changed": {s.name: {"value": s.value, "default": s.default} for s in changed(record["spec"])},
            "folder": str(store.path(record["id"]))}


def _head(record: Mapping[str, Any]) -> str:
    where = record.get("environment") or {}
    commit = str(where.get("git_commit") or "")[:8]
    lines = {
        "trial": f"{record['id']} of {record['experiment']}, seed {record['spec'].get('seed', 'unknown')}",
        "status": record["status"] + (f": {record['reason']}" if record.get("reason") else ""),
        "ran": f"{record['started']} to {record['ended']}",
        "by": where.get("command"),
        "code": f"{commit}, changed since" if where.get("git_dirty") else commit,
        "on": where.get("device"),
        "earlier": "; ".join(f"{attempt.get('cause')}: {attempt.get('reason')}"
                             for attempt in record.get("attempts") or ()),
    }
    return "\n".join(f"{name:<8} {value}" for name, value in lines.items() if value)


def _settings(record: Mapping[str, Any]) -> str:
    from harness.cli._compare_view import aligned
    from harness.report.compare.setting_changes import changed, text

    if not record["spec"]:  # another results version's, of another shape
        return ""
    found = [(setting.name, text(setting.value), text(setting.default)) for setting in changed(record["spec"])]
    return aligned([("setting", "value", "default"), *found]) if found else "every setting at its default"


def _scores(record: Mapping[str, Any]) -> str:
    """Return the tables' scores, each beside those of its references."""
    from harness.cli._compare_view import aligned
    from harness.report.tables.columns import TABLES
    from harness.report.tables.rows import Group

    (found,) = Group((), (record,), is_baseline=False).scores
    rows: dict[str, tuple[str, ...]] = {}
    for layout in TABLES:
        for column in layout.columns(list(found)):
            references = [f"{reference.label} {found[name]:.4g}" for reference in layout.references
                          if (name := reference.score(column.score)) in found]
            if column.score in found and (references or column.score not in rows):
                rows[column.score] = (column.score, f"{found[column.score]:.4g}", ", ".join(references))
    return aligned([("score", "value", "reference"), *rows.values()]) if rows else ""


def _curve(store: Store, record: Mapping[str, Any]) -> str:
    """Return how the loss went, in a line."""
    losses = store.curve(record["id"]).get("loss", []) if "curve.parquet" in record["files"] else []
    if not losses:
        return ""
    reached = record["scores"].get("steps_to_90")
    ninety = f", 90% of the drop at step {reached:.0f}" if reached == reached and reached is not None else ""
    return f"loss     {losses[0]:.4g} to {losses[-1]:.4g} in {len(losses)} steps, lowest {min(losses):.4g}{ninety}"


def _files(store: Store, record: Mapping[str, Any]) -> str:
    folder = store.path(record["id"])
    pictures = [f"picture  {folder / name}" for name in record["files"] if name.endswith(".png")]
    others = [name for name in record["files"] if not name.endswith(".png")]
    return "\n".join([*pictures, f"folder   {folder}/: record.json {' '.join(others)}".rstrip()])

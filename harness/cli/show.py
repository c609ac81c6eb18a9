"""The command `show`: shows one trial's changed settings, scores and files, or its attention as noise goes."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.cli import _evolution, _lookup
from harness.cli._compare_view import align_columns
from harness.cli._options import add_results, results_of
from harness.errors import UsageError
from harness.report.compare.setting_changes import changed, text
from harness.report.tables.columns import TABLES
from harness.report.tables.rows import Group
from harness.store.parquet_json import to_plain_json
from harness.store.store import Store


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("trial", help="the beginning of a trial's id")
    add_results(parser)
    parser.add_argument("--json", action="store_true", help="print JSON: the record, and the settings changed")
    parser.add_argument("--evolution", action="store_true",
                        help="capture its tokens' attention again at many noise levels; write animations, curves and "
                        "numbers")
    parser.add_argument("--scene", type=int, metavar="N", help="the test scene of --evolution (0)")
    parser.add_argument("--output", type=Path, metavar="DIR",
                        help="folder of --evolution's files, replaced as a whole (evolution/ in the trial's folder)")


def main(args: argparse.Namespace) -> int:
    """Print the trial; return 1 if its record is missing or damaged."""
    for flag, value in {"--scene": args.scene, "--output": args.output}.items():
        if value is not None and not args.evolution:
            raise UsageError(f"{flag} goes with --evolution")
    store, trial = _lookup.find_trial(results_of(args), args.trial)
    record = store.record(trial)
    if record is None:
        problem = store.unreadable().get(trial, "there is no whole record")
        print(f"{store.path(trial)} is not trusted: {problem}")
        return 1
    if args.evolution:
        return _evolution.show(store, record, args.scene or 0, args.output, as_json=args.json)
    if args.json:
        print(json.dumps(to_plain_json(_plain(store, record)), indent=1, allow_nan=False))
    else:
        print("\n\n".join(filter(None, [_head(record), _settings(record), _scores(record), _curve(store, record),
                                        _files(store, record)])))
    return 0


def _plain(store: Store, record: Mapping[str, Any]) -> dict[str, Any]:
    return {**record, "changed": {s.name: {"value": s.value, "default": s.default} for s in changed(record["spec"])},
            "folder": str(store.path(record["id"]))}


def _head(record: Mapping[str, Any]) -> str:
    environment = record.get("environment") or {}
    commit = str(environment.get("git_commit") or "")[:8]
    lines = {
        "trial": f"{record['id']} of {record['experiment']}, seed {record['spec'].get('seed', 'unknown')}",
        "status": record["status"] + (f": {record['reason']}" if record.get("reason") else ""),
        "ran": f"{record['started']} to {record['ended']}",
        "note": record.get("note"),
        "tags": ", ".join(record.get("tags") or ()),
        "by": environment.get("command"),
        "code": f"{commit}, changed since" if environment.get("git_dirty") else commit,
        "on": environment.get("device"),
        "earlier": "; ".join(f"{attempt.get('cause')}: {attempt.get('reason')}"
                             for attempt in record.get("attempts") or ()),
    }
    return "\n".join(f"{name:<8} {value}" for name, value in lines.items() if value)


def _settings(record: Mapping[str, Any]) -> str:
    if not record["spec"]:  # a record of another results version has another format
        return ""
    rows = [(setting.name, text(setting.value), text(setting.default)) for setting in changed(record["spec"])]
    return align_columns([("setting", "value", "default"), *rows]) if rows else "every setting at its default"


def _scores(record: Mapping[str, Any]) -> str:
    """Return the scores of the report's tables, each with the scores of its references."""
    (scores,) = Group((), (record,), is_baseline=False).scores
    rows: dict[str, tuple[str, ...]] = {}
    for layout in TABLES:
        for column in layout.columns(list(scores)):
            references = [f"{reference.label} {scores[name]:.4g}" for reference in layout.references
                          if (name := reference.score(column.score)) in scores]
            if column.score in scores and (references or column.score not in rows):
                rows[column.score] = (column.score, f"{scores[column.score]:.4g}", ", ".join(references))
    return align_columns([("score", "value", "reference"), *rows.values()]) if rows else ""


def _curve(store: Store, record: Mapping[str, Any]) -> str:
    """Return a summary of the loss curve in one line."""
    losses = store.curve(record["id"]).get("loss", []) if "curve.parquet" in record["files"] else []
    if not losses:
        return ""
    step = record["scores"].get("steps_to_90")
    ninety = f", 90% of the drop at step {step:.0f}" if step == step and step is not None else ""
    return f"loss     {losses[0]:.4g} to {losses[-1]:.4g} in {len(losses)} steps, lowest {min(losses):.4g}{ninety}"


def _files(store: Store, record: Mapping[str, Any]) -> str:
    folder = store.path(record["id"])
    pictures = [f"picture  {folder / name}" for name in record["files"] if name.endswith(".png")]
    others = [name for name in record["files"] if not name.endswith(".png")]
    return "\n".join([*pictures, f"folder   {folder}/: record.json {' '.join(others)}".rstrip()])

"""A report as one JSON document: its tables and the origin of every number."""

import json
from collections.abc import Mapping
from typing import Any

from harness.config.spec import RESULTS_VERSION
from harness.errors import UsageError
from harness.report.inputs import Report
from harness.report.tables.rows import Record
from harness.report.writers.csv_json import to_json

KEYS = ("report", "experiments", "results_version", "tables", "trials")


def to_document(report: Report) -> dict[str, Any]:
    """Return a report as plain data; equal records give equal documents. ``trials`` has the origin of every record."""
    return {
        "report": report.name, "experiments": list(report.experiments), "results_version": RESULTS_VERSION,
        "tables": to_json(report.tables),
        "trials": {trial: origin(record) for trial, record in sorted(report.records.items())},
    }


def to_text(content: Mapping[str, Any]) -> str:
    """Return a document as JSON with one line per row and per trial, for diffs by line."""
    tables = ",\n".join(_block(table, "rows") for table in content["tables"])
    head = {key: value for key, value in content.items() if key not in ("tables", "trials")}
    trials = ",\n".join(f"{json.dumps(trial)}: {json.dumps(facts)}" for trial, facts in content["trials"].items())
    return f'{json.dumps(head)[:-1]}, "tables": [\n{tables}\n], "trials": {{\n{trials}\n}}}}\n'


def _block(table: Mapping[str, Any], key: str) -> str:
    head = json.dumps({name: value for name, value in table.items() if name != key})
    lines = ",\n".join(json.dumps(line) for line in table[key])
    return f'{head[:-1]}, "{key}": [\n{lines}\n]}}'


def origin(record: Record) -> dict[str, Any]:
    """Return a trial's experiment, seed, status, end, code, and fingerprints of data and weights."""
    environment, prints = record.get("environment") or {}, record.get("fingerprints") or {}
    return {
        "experiment": record.get("experiment"), "seed": record["spec"]["seed"], "status": record["status"],
        "reason": record.get("reason") or "", "ended": record.get("ended"),
        "results_version": record.get("results_version"), "git_commit": environment.get("git_commit"),
        "git_dirty": environment.get("git_dirty"), "data": prints.get("data"), "weights": prints.get("weights"),
        **{key: record[key] for key in ("note", "tags") if record.get(key)},
    }


def parse(text: str, name: str) -> Mapping[str, Any]:
    """Return the document in a text; raise UsageError, with ``name`` for the text, if it is none."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name}: is no JSON: {error}") from None
    missing = [key for key in KEYS if not isinstance(content, dict) or key not in content]
    if missing:
        raise UsageError(f"{name}: is no report.json of this harness: it lacks {', '.join(missing)}")
    return dict(content)

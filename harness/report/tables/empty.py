"""Why a report has no table: what its records are instead of finished trials of the plan."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from harness.config.dotted import leaves
from harness.config.setting_texts import canonical
from harness.config.spec import RESULTS_VERSION
from harness.report.tables.notes import MOST_NAMED
from harness.report.tables.rows import Record

Values = dict[str, dict[str, str]]  # setting -> the texts of its values, by their canonical form


def why_empty(records: Sequence[Record], planned: Sequence[Mapping[str, Any]] | None) -> str:
    """Return how many trials there are instead of finished ones of the plan, and which settings they differ in."""
    current = [record for record in records if record.get("results_version") == RESULTS_VERSION]
    plan = None if planned is None else {canonical(spec) for spec in planned}
    in_plan = [record for record in current if plan is None or canonical(record["spec"]) in plan]
    others = [record["spec"] for record in current if record not in in_plan and record["status"] == "finished"]
    counts = Counter(str(record["status"]) for record in in_plan)
    parts = ["no trial has finished" if planned is None else
             f"none of the {len(planned)} planned trials has finished" if len(planned) > 1 else
             "the planned trial has not finished"]
    parts += [f"{count} {status}" for status, count in sorted(counts.items())]
    stale = len(records) - len(current)
    if stale:
        parts.append(f"{stale} of another results version, which `harness run` computes again")
    if others:
        parts.append(f"{len(others)} finished with other settings ({_differences(planned or (), others)})")
    return ", ".join(parts)


def _differences(planned: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> str:
    """Return the settings of which no recorded value is planned, else those with any value that is not."""
    plan, found = _values(planned), _values(others)
    differing = [path for path in dict.fromkeys((*plan, *found)) if plan.get(path) != found.get(path)]
    apart = [path for path in differing if not set(plan.get(path, ())) & set(found.get(path, ()))] or differing
    texts = [f"{path} {_listed(found.get(path, {}))}, planned {_listed(plan.get(path, {}))}" for path in apart]
    more = f"; and {len(texts) - MOST_NAMED} more" if len(texts) > MOST_NAMED else ""
    return "; ".join(texts[:MOST_NAMED]) + more


def _values(specs: Sequence[Mapping[str, Any]]) -> Values:
    values: Values = {}
    for spec in specs:
        for path, leaf in leaves(spec):
            values.setdefault(path, {})[canonical(leaf)] = str(leaf)
    return values


def _listed(texts: Mapping[str, str]) -> str:
    words = list(texts.values())
    return ", ".join(words[:MOST_NAMED]) + ", ..." * (len(words) > MOST_NAMED) if words else "none"

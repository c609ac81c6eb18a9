"""What stands under a table: what +- means, what was averaged, what is missing."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.report.rows import Group, Record, canonical, describe

MOST_NAMED = 4


def shared_notes(
    groups: Sequence[Group], wanted: Sequence[Record], planned: Sequence[Mapping[str, Any]] | None,
    left_out: Mapping[str, int],
) -> tuple[str, ...]:
    """Return the lines that stand under every table: what may not be compared, and every trial that a row lacks."""
    lines = [_code(groups)]
    if len({group.test_data for group in groups}) > 1:
        lines.append("Rows differ in their test data: compare only rows of the same data.")
    unfinished = [record for record in wanted if record["status"] != "finished"]
    done = {canonical(record["spec"]) for record in wanted}
    missing = [spec for spec in planned or () if canonical(spec) not in done]
    paths = _varying([record["spec"] for record in wanted] + list(planned or ()))
    lines.append(_named("Not finished", [
        f"{describe(record['spec'], paths)} {record['status']}{_reason(record)}" for record in unfinished
    ]))
    lines.append(_named("Not run yet", [describe(spec, paths) for spec in missing]))
    lines += [f"Left out: {count} trial{'s' * (count > 1)} {why}." for why, count in left_out.items() if count]
    return tuple(line for line in lines if line)


def average(groups: Sequence[Group]) -> str:
    """Return what +- means and what the means were taken over."""
    records = [record for group in groups for record in group.records]
    scenes = _range(record["spec"].get("test_scenes") for record in records)
    points = _range((record.get("scores") or {}).get("visible_points") for record in records)
    scope = f"{scenes} test scenes" + (f", {points} visible points" if points else "")
    seeds = _range(len(group.records) for group in groups)
    if seeds == "1":
        return f"n = 1 seed per row, so no interval; {scope}."
    return f"Mean ± half width of the 95% t interval over n = {seeds} seeds; {scope}."


def _range(values: Any) -> str:
    known = sorted({int(value) for value in values if value is not None})
    if not known:
        return ""
    return str(known[0]) if len(known) == 1 else f"{known[0]} to {known[-1]}"


def _code(groups: Sequence[Group]) -> str:
    environments = [record.get("environment") or {} for group in groups for record in group.records]
    commits = sorted({str(found["git_commit"])[:8] for found in environments if found.get("git_commit")})
    return f"Trials come from {len(commits)} commits: {', '.join(commits[:MOST_NAMED])}." if len(commits) > 1 else ""


def _varying(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    keys = list(dict.fromkeys(key for spec in specs for key in spec if key != "seed"))
    return [key for key in keys if len({canonical(spec.get(key)) for spec in specs}) > 1] + ["seed"]


def _reason(record: Record) -> str:
    return f" ({record['reason']})" if record.get("reason") else ""


def _named(what: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    more = f"; and {len(items) - MOST_NAMED} more" if len(items) > MOST_NAMED else ""
    return f"{what}: {'; '.join(items[:MOST_NAMED])}{more}."

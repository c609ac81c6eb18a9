"""The notes that all tables share: averages, rows that must not be compared, and missing trials."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from harness.config.setting_texts import canonical
from harness.report.statistics import seeds_needed
from harness.report.statistics.paired import ALPHA
from harness.report.tables.cells import Difference
from harness.report.tables.rows import Group, Record, describe_specs

MOST_NAMED = 4

Spec = Mapping[str, Any]


def shared_notes(
    groups: Sequence[Group], records: Sequence[Record], planned: Sequence[Spec] | None, running: Sequence[Spec],
    left_out: Mapping[str, int],
) -> tuple[str, ...]:
    """Return the notes below every table: rows that must not be compared, missing and omitted trials."""
    lines = [_data(groups), _weights(groups), _machines(groups), _seeds(groups), _unread(groups), *_remarks(groups)]
    lines += _unfinished(records, planned, running)
    lines += [f"Left out: {count} trial{'s' * (count > 1)} {why}." for why, count in left_out.items() if count]
    return tuple(line for line in lines if line)


def average(groups: Sequence[Group]) -> str:
    """Return the meaning of ±, and the numbers of seeds, scenes and points."""
    records = [record for group in groups for record in group.records]
    scenes = _range(record["spec"].get("test_scenes") for record in records)
    points = _range((record.get("scores") or {}).get("visible_points") for record in records)
    scope = f"{scenes} test scenes" + (f", {points} visible points" if points else "")
    seeds = _range(len(group.records) for group in groups)
    if seeds == "1":
        return f"n = 1 seed per row, so no interval; {scope}."
    return f"Mean ± half width of the 95% t interval over n = {seeds} seeds; {scope}."


def listing(title: str, items: Sequence[str]) -> str:
    """Return a note that names the first few items; "" without items."""
    if not items:
        return ""
    more = f"; and {len(items) - MOST_NAMED} more" if len(items) > MOST_NAMED else ""
    return f"{title}: {'; '.join(items[:MOST_NAMED])}{more}."


def star_notes(tested: Sequence[Difference], some: str) -> tuple[str, str, str]:
    """Return the meaning of a star ("" if no test can reach one), the name of the test, and the seeds that it takes.

    ``some`` names the rows or effects that have too few seeds, while others have enough.
    """
    test = "sign flips over seeds"
    test += f", Holm's correction over the table's {len(tested)} tests" if len(tested) > 1 else ""
    if any(difference.reachable for difference in tested):
        few = "" if all(difference.reachable for difference in tested) else f", which {some} have too few seeds for"
        return f"*: p ≤ {ALPHA} by {test}{few}.", test, ""
    needed = seeds_needed(max(len(tested), 1))
    return "", test, f"it takes {needed}" if needed else "no number of seeds would do"


def _range(values: Iterable[Any]) -> str:
    numbers = sorted({int(value) for value in values if value is not None})
    if not numbers:
        return ""
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _data(groups: Sequence[Group]) -> str:
    parts = _parts(groups, lambda group: group.test_data)
    if len(parts) < 2:
        return ""
    return listing(f"Rows differ in their test data ({len(parts)} kinds), and only rows of one are compared", parts)


def _weights(groups: Sequence[Group]) -> str:
    """Return a note on rows with different weights under the same model setting, which no label shows."""
    prints: dict[str, set[str]] = {}
    for group in groups:
        prints.setdefault(_model(group), set()).add(_print(group, "weights"))
    mixed = [group for group in groups if len(prints[_model(group)]) > 1]
    return listing("Weights differ under one model setting", _parts(mixed, lambda group: _print(group, "weights")))


def _parts(groups: Sequence[Group], key: Callable[[Group], str]) -> list[str]:
    parts: dict[str, list[str]] = {}
    for group in groups:
        parts.setdefault(key(group), []).append(group.name)
    return [", ".join(labels[:MOST_NAMED]) + f" and {len(labels) - MOST_NAMED} more" * (len(labels) > MOST_NAMED)
            for labels in parts.values()]


def _model(group: Group) -> str:
    return canonical(group.records[0]["spec"].get("model"))


def _print(group: Group, kind: str) -> str:
    return str((group.records[0].get("fingerprints") or {}).get(kind))


def _machines(groups: Sequence[Group]) -> str:
    """Return a note on commits and devices if there are several, and on uncommitted changes."""
    where = [record.get("environment") or {} for group in groups for record in group.records]
    commits = sorted({str(machine["git_commit"])[:8] for machine in where if machine.get("git_commit")})
    devices = sorted({str(machine["device"]) for machine in where if machine.get("device")})
    dirty = sum(bool(machine.get("git_dirty")) for machine in where)
    parts = [listing(f"Trials come from {len(commits)} commits", commits if len(commits) > 1 else []),
             f"{dirty} of {len(where)} trials ran on changes that no commit holds." if dirty else "",
             listing(f"Trials ran on {len(devices)} kinds of device", devices if len(devices) > 1 else [])]
    return " ".join(filter(None, parts))


def _remarks(groups: Sequence[Group]) -> list[str]:
    """Return the notes and tags that were given to the trials, each with their number."""
    records = [record for group in groups for record in group.records]
    notes = Counter(text for record in records if (text := str(record.get("note") or "")))
    tags = Counter(tag for record in records for tag in record.get("tags") or ())
    return [listing(title, [f"{text} ({count} of {len(records)} trials)" for text, count in counts.items()])
            for title, counts in (("Note", notes), ("Tags", tags))]


def _seeds(groups: Sequence[Group]) -> str:
    """Return a note on rows with fewer seeds than others."""
    by_row = [{record["spec"]["seed"] for record in group.records} for group in groups]
    total = set[int]().union(*by_row)
    return listing(f"Rows lack some of the {len(total)} seeds", [
        f"{group.name} has {len(seeds)}, not seed {', '.join(map(str, sorted(total - seeds)[:MOST_NAMED]))}"
        + (" and more" if len(total - seeds) > MOST_NAMED else "")
        for group, seeds in zip(groups, by_row, strict=True) if total - seeds
    ])


def _unread(groups: Sequence[Group]) -> str:
    """Return a note on trials that left out the baseline of untrained tokens."""
    specs = [record["spec"] for group in groups for record in group.records]
    count = sum(spec.get("untrained") is False for spec in specs)
    return f"Untrained tokens were not read in {count} of {len(specs)} trials (untrained: false)." if count else ""


def _unfinished(records: Sequence[Record], planned: Sequence[Spec] | None, running: Sequence[Spec]) -> list[str]:
    """Return the progress of the experiment, and notes on the unfinished trials by status."""
    unfinished = [record for record in records if record["status"] != "finished"]
    if not planned and not running and not unfinished:
        return []
    done = {canonical(record["spec"]) for record in records}
    under_way = {canonical(spec): spec for spec in running if canonical(spec) not in done}
    plan = {canonical(spec): spec for spec in planned or ()}
    missing = [spec for key, spec in plan.items() if key not in done and key not in under_way]
    now = [spec for key, spec in under_way.items() if planned is None or key in plan]
    lines: list[str] = []
    if not missing and not now and not unfinished:
        return lines
    specs = {canonical(spec): spec for spec in (*(record["spec"] for record in records), *plan.values(), *now)}
    words = dict(zip(specs, describe_specs([*specs.values()]), strict=True))
    if missing or now:
        finished = len(records) - len(unfinished)
        total = len(plan) if planned is not None else len(records) + len(now)
        lines.append(f"So far {finished} of {total} planned trials have finished.")
    for status in dict.fromkeys(record["status"] for record in unfinished):
        lines.append(listing(status.capitalize(), [
            words[canonical(record["spec"])] + _reason(record) for record in unfinished if record["status"] == status
        ]))
    lines.append(listing("Running", [words[canonical(spec)] for spec in now]))
    lines.append(listing("Not run yet", [words[canonical(spec)] for spec in missing]))
    return lines


def _reason(record: Record) -> str:
    return f" ({record['reason']})" if record.get("reason") else ""

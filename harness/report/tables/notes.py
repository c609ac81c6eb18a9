"""What stands under every table: what was averaged, what may not be compared, and every trial that a row lacks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from harness.report.tables.rows import Group, Record, canonical, described

MOST_NAMED = 4

Spec = Mapping[str, Any]


def shared_notes(
    groups: Sequence[Group], wanted: Sequence[Record], planned: Sequence[Spec] | None, running: Sequence[Spec],
    left_out: Mapping[str, int],
) -> tuple[str, ...]:
    """Return the lines that stand under every table: what may not be compared, and every trial that a row lacks."""
    lines = [_data(groups), _weights(groups), _machines(groups), _seeds(groups)]
    lines += _unfinished(wanted, planned, running)
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


def listing(what: str, items: Sequence[str]) -> str:
    """Return a line that names the first few of what there is; nothing where there is nothing."""
    if not items:
        return ""
    more = f"; and {len(items) - MOST_NAMED} more" if len(items) > MOST_NAMED else ""
    return f"{what}: {'; '.join(items[:MOST_NAMED])}{more}."


def _range(values: Iterable[Any]) -> str:
    known = sorted({int(value) for value in values if value is not None})
    if not known:
        return ""
    return str(known[0]) if len(known) == 1 else f"{known[0]} to {known[-1]}"


def _data(groups: Sequence[Group]) -> str:
    parts = _parts(groups, lambda group: group.test_data)
    if len(parts) < 2:
        return ""
    return listing(f"Rows differ in their test data ({len(parts)} kinds), and only rows of one are compared", parts)


def _weights(groups: Sequence[Group]) -> str:
    """Return which rows have other weights under the same model setting, which no label shows."""
    prints: dict[str, set[str]] = {}
    for group in groups:
        prints.setdefault(_model(group), set()).add(_print(group, "weights"))
    mixed = [group for group in groups if len(prints[_model(group)]) > 1]
    return listing("Weights differ under one model setting", _parts(mixed, lambda group: _print(group, "weights")))


def _parts(groups: Sequence[Group], key: Callable[[Group], str]) -> list[str]:
    parts: dict[str, list[str]] = {}
    for group in groups:
        parts.setdefault(key(group), []).append(" ".join(group.labels))
    return [", ".join(labels[:MOST_NAMED]) + f" and {len(labels) - MOST_NAMED} more" * (len(labels) > MOST_NAMED)
            for labels in parts.values()]


def _model(group: Group) -> str:
    return canonical(group.records[0]["spec"].get("model"))


def _print(group: Group, kind: str) -> str:
    return str((group.records[0].get("fingerprints") or {}).get(kind))


def _machines(groups: Sequence[Group]) -> str:
    """Return which code and devices the trials come from, where that is not one of each and clean."""
    found = [record.get("environment") or {} for group in groups for record in group.records]
    commits = sorted({str(each["git_commit"])[:8] for each in found if each.get("git_commit")})
    devices = sorted({str(each["device"]) for each in found if each.get("device")})
    dirty = sum(bool(each.get("git_dirty")) for each in found)
    parts = [listing(f"Trials come from {len(commits)} commits", commits if len(commits) > 1 else []),
             f"{dirty} of {len(found)} trials ran on changes that no commit holds." if dirty else "",
             listing(f"Trials ran on {len(devices)} kinds of device", devices if len(devices) > 1 else [])]
    return " ".join(filter(None, parts))


def _seeds(groups: Sequence[Group]) -> str:
    """Return which rows have fewer seeds than others."""
    own = [{record["spec"]["seed"] for record in group.records} for group in groups]
    every = set[int]().union(*own)
    return listing(f"Rows lack some of the {len(every)} seeds", [
        f"{' '.join(group.labels)} has {len(seeds)}, not seed {', '.join(map(str, sorted(every - seeds)[:MOST_NAMED]))}"
        + (" and more" if len(every - seeds) > MOST_NAMED else "")
        for group, seeds in zip(groups, own, strict=True) if every - seeds
    ])


def _unfinished(wanted: Sequence[Record], planned: Sequence[Spec] | None, running: Sequence[Spec]) -> list[str]:
    """Return how far the experiment is, and every trial that is not finished, by what became of it."""
    unfinished = [record for record in wanted if record["status"] != "finished"]
    if not planned and not running and not unfinished:
        return []
    done = {canonical(record["spec"]) for record in wanted}
    under_way = {canonical(spec): spec for spec in running if canonical(spec) not in done}
    plan = {canonical(spec): spec for spec in planned or ()}
    missing = [spec for key, spec in plan.items() if key not in done and key not in under_way]
    now = [spec for key, spec in under_way.items() if planned is None or key in plan]
    lines: list[str] = []
    if not missing and not now and not unfinished:
        return lines
    every = {canonical(spec): spec for spec in (*(record["spec"] for record in wanted), *plan.values(), *now)}
    words = dict(zip(every, described([*every.values()]), strict=True))
    if missing or now:
        finished = len(wanted) - len(unfinished)
        total = len(plan) if planned is not None else len(wanted) + len(now)
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

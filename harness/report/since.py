"""What changed since a report was written, and why: trials added or gone, other code, other data, other weights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.rows import Record, canonical

Document = Mapping[str, Any]
Cell = Mapping[str, Any]
ORIGIN = {"git_commit": "code", "git_dirty": "uncommitted changes", "data": "data", "weights": "weights",
          "results_version": "results version"}
TOLERANCE = 1e-12  # below it a number is the same, rounded on another machine


@dataclass(frozen=True)
class Change:
    """One row of a table whose numbers are others than before: which, from what to what, and why."""

    table: str
    setting: str
    numbers: tuple[str, ...]
    reasons: tuple[str, ...]


def changes(old: Document, new: Document, records: Mapping[str, Record]) -> list[Change]:
    """Return the rows that changed from one document to another; ``records`` are those at hand, by id.

    A row is known by its table and the words of its setting.
    """
    before, after = _rows(old), _rows(new)
    found = []
    for key in dict.fromkeys((*before, *after)):
        numbers = tuple(_numbers(before.get(key, {}), after.get(key, {})))
        if numbers:
            reasons = tuple(_reasons(before.get(key, {}), after.get(key, {}), old["trials"], new["trials"], records))
            is_ours = all("source" not in cell for cell in after.get(key, before.get(key, {})).values())
            other = "what it is compared with changed" if is_ours else "the experiment cites another figure"
            found.append(Change(*key, numbers, reasons or (other,)))
    return found


def _rows(document: Document) -> dict[tuple[str, str], Mapping[str, Cell]]:
    return {(table["name"], " ".join(filter(None, row["setting"].values()))): row["scores"]
            for table in document["tables"] for row in table["rows"]}


def _numbers(before: Mapping[str, Cell], after: Mapping[str, Cell]) -> Iterator[str]:
    """Yield each score whose mean, interval or star is another."""
    for score in dict.fromkeys((*before, *after)):
        one, other = before.get(score), after.get(score)
        if one is None or other is None or not _same(one, other):
            yield f"{score} {_text(one)} -> {_text(other)}"


def _same(one: Cell, other: Cell) -> bool:
    pairs = [(one[key], other[key]) for key in ("mean", "half_width", "seeds")]
    equal = all(a == b or (a is not None and b is not None and abs(a - b) <= TOLERANCE) for a, b in pairs)
    return equal and one["star"] == other["star"]


def _text(cell: Cell | None) -> str:
    if cell is None:
        return "nothing"
    width = "" if cell["half_width"] is None else f"±{cell['half_width']:.4g}"
    return f"{cell['mean']:.6g}{width} (n = {cell['seeds']}){'*' if cell['star'] else ''}"


def _reasons(before: Mapping[str, Cell], after: Mapping[str, Cell], old: Document, new: Document,
             records: Mapping[str, Record]) -> Iterator[str]:
    """Yield why a row's numbers changed, trial by trial."""
    one, other = _by_seed(before, old), _by_seed(after, new)
    for seed in sorted({*one, *other}):
        was, now = one.get(seed), other.get(seed)
        if was is None:
            yield f"new trial {now}, seed {seed}"
        elif now is None:
            left = new[was]["status"] if was in new else "no longer recorded"
            yield f"trial {was}, seed {seed}, is gone: {'left out' if left == 'finished' else left}"
        elif was != now:
            differing = _origins(old[was], new[now]) or _settings(records.get(was), records.get(now))
            yield f"seed {seed} is trial {now}, was {was}: {', '.join(differing) or 'another setting'}"
        elif _values(before, was) != _values(after, was):
            differing = _origins(old[was], new[was]) or ["the same code, data and weights"]
            yield f"trial {was}, seed {seed}, ran again on {new[was]['ended']}: {', '.join(differing)}"


def _by_seed(row: Mapping[str, Cell], trials: Document) -> dict[int, str]:
    return {trials[trial]["seed"]: trial for cell in row.values() for trial in cell["trials"]}


def _values(row: Mapping[str, Cell], trial: str) -> dict[str, float]:
    return {score: cell["values"][cell["trials"].index(trial)]
            for score, cell in row.items() if trial in cell["trials"]}


def _origins(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [f"{words} {str(one.get(key))[:12]} -> {str(other.get(key))[:12]}"
            for key, words in ORIGIN.items() if one.get(key) != other.get(key)]


def _settings(one: Record | None, other: Record | None) -> Sequence[str]:
    """Return which settings two trials differ in, where both records are still there."""
    if one is None or other is None:
        return []
    return [f"{key} {canonical(one['spec'].get(key))} -> {canonical(other['spec'].get(key))}"
            for key in dict.fromkeys((*one["spec"], *other["spec"]))
            if canonical(one["spec"].get(key)) != canonical(other["spec"].get(key))]

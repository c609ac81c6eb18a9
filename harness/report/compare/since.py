"""Changes since an earlier report, and their reasons: new or removed trials, other code, data or weights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from harness.config.setting_texts import canonical
from harness.config.spec import RESULTS_CHANGES
from harness.report.tables.cells import EFFECTS
from harness.report.tables.rows import Record, row_name

Document = Mapping[str, Any]
Row = Mapping[str, Any]
Cell = Mapping[str, Any]
NO_ROW: Row = {"scores": {}, "is_baseline": False}
ORIGIN = {"git_commit": "code", "git_dirty": "uncommitted changes", "data": "data", "weights": "weights",
          "results_version": "results version"}
COMPARED = ("baseline", "mean", "half_width", "seeds", "p", "adjusted_p", "effect_size", "probability_of_improvement")
TOLERANCE = 1e-12  # a smaller difference is rounding on another machine


@dataclass(frozen=True)
class Change:
    """One row of a table with changed numbers or marks: the changes and their reasons."""

    table: str
    setting: str
    numbers: tuple[str, ...]
    reasons: tuple[str, ...]


def changes(old: Document, new: Document, records: Mapping[str, Record]) -> list[Change]:
    """Return the rows that changed from one document to another; ``records`` are the current ones, by id.

    A row is identified by its table and its labels, not by the settings that these stand for, whose names may change;
    rows with the same labels also by their order.
    """
    before, after = _rows(old), _rows(new)
    changed = []
    for key in dict.fromkeys((*before, *after)):
        was, now = before.get(key, NO_ROW), after.get(key, NO_ROW)
        numbers = tuple(_numbers(was["scores"], now["scores"]))
        if was["is_baseline"] != now["is_baseline"] and key in before and key in after:
            numbers += ("it is the baseline now" if now["is_baseline"] else "it is the baseline no longer",)
        if numbers:
            reasons = tuple(_reasons(was["scores"], now["scores"], old["trials"], new["trials"], records))
            is_ours = all("source" not in cell for cell in (now if key in after else was)["scores"].values())
            other = ("what it is compared with, or tested beside, changed" if is_ours else
                     "the experiment cites another figure")
            changed.append(Change(key[0], _name(now if key in after else was, *key), numbers, reasons or (other,)))
    return changed


def _rows(document: Document) -> dict[tuple[str, str], Row]:
    rows: dict[tuple[str, str], Row] = {}
    for table in document["tables"]:
        for row in table["rows"]:
            words = " ".join(filter(None, row["setting"].values()))
            names = (f"{words} ({i})" if i > 1 else words for i in count(1))
            rows[next(key for name in names if (key := (table["name"], name)) not in rows)] = row
    return rows


def _name(row: Row, table: str, words: str) -> str:
    """Return a row's name: its words, or with several settings ``setting=label`` for each that it has."""
    setting = row["setting"]
    if table == EFFECTS or len(setting) < 2:
        return words
    return row_name(list(setting), list(setting.values()), is_reference=row["is_reference"])


def _numbers(before: Mapping[str, Cell], after: Mapping[str, Cell]) -> Iterator[str]:
    """Yield old and new text of each score with a changed mean, interval, mark or comparison."""
    for score in dict.fromkeys((*before, *after)):
        one, other = before.get(score), after.get(score)
        if one is None or other is None or not _same(one, other, ("mean", "half_width", "seeds", "star")):
            yield f"{score} {_text(one)} -> {_text(other)}"
        if one is None or other is None:
            continue
        if not _same(one, other, ("best", "tied")):
            yield f"{score} {_mark(one)} -> {_mark(other)}"
        first, second = one.get("difference"), other.get("difference")
        if not _same(first or {}, second or {}, COMPARED):
            yield f"{score} {_comparison(first, second)}"


def _same(one: Cell, other: Cell, keys: Sequence[str]) -> bool:
    return all(_equal(one.get(key), other.get(key)) for key in keys)


def _equal(one: Any, other: Any) -> bool:
    return one == other or (isinstance(one, float) and isinstance(other, float) and abs(one - other) <= TOLERANCE)


def _text(cell: Cell | None) -> str:
    return "nothing" if cell is None else f"{_interval(cell)}{'*' if cell['star'] else ''}"


def _interval(cell: Cell, sign: str = "") -> str:
    width = "" if cell["half_width"] is None else f"±{cell['half_width']:.4g}"
    return f"{cell['mean']:{sign}.6g}{width} (n = {cell['seeds']})"


def _mark(cell: Cell) -> str:
    return "best" if cell["best"] else "tied with the best" if cell["tied"] else "neither best nor tied"


def _comparison(before: Cell | None, after: Cell | None) -> str:
    """Return how a comparison with the baseline changed; one that ended, or began, has one side."""
    if before is None or after is None:
        one = before or after
        words = _compared(one) if one else ""
        return f"no longer compared; was: {words}" if before else f"compared for the first time: {words}"
    return f"{_compared(before)} -> {_compared(after)}"


def _compared(difference: Cell) -> str:
    """Return a difference in words: its baseline, interval and test."""
    more = {"after correction": difference["adjusted_p"], "effect size": difference["effect_size"],
            "improves": difference["probability_of_improvement"]}
    words = [f"{name} {value:.4g}" for name, value in more.items() if value is not None]
    return ", ".join([f"difference to {difference['baseline']} {_interval(difference, '+')}",
                      f"p {difference['p']:.4g}", *words])


def _reasons(before: Mapping[str, Cell], after: Mapping[str, Cell], old: Document, new: Document,
             records: Mapping[str, Record]) -> Iterator[str]:
    """Yield the reasons for a row's changes, trial by trial."""
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


def version_changes(old: Document, new: Document) -> list[str]:
    """Return what each results version after that of the older document changed."""
    before, after = old["results_version"], new["results_version"]
    return [f"Results version {version}: {words}." for version, words in RESULTS_CHANGES.items()
            if before < version <= after]


def _settings(one: Record | None, other: Record | None) -> Sequence[str]:
    """Return the settings in which two trials differ; none if a record no longer exists."""
    if one is None or other is None:
        return []
    return [f"{key} {canonical(one['spec'].get(key))} -> {canonical(other['spec'].get(key))}"
            for key in dict.fromkeys((*one["spec"], *other["spec"]))
            if canonical(one["spec"].get(key)) != canonical(other["spec"].get(key))]

"""Main effects: the change of each score with one setting, averaged over all other settings, seed by seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.config import dotted
from harness.config.setting_texts import ABSENT, canonical, without
from harness.config.spec import ReportSpec
from harness.report.statistics import effect_size, mean_interval, probability_of_improvement, sign_flip
from harness.report.statistics.paired import ALPHA
from harness.report.tables.cells import EFFECTS, Cell, Difference, Row, Table, format_interval
from harness.report.tables.columns import TABLES, Column
from harness.report.tables.comparisons import corrected
from harness.report.tables.notes import average, listing, star_notes
from harness.report.tables.rows import Group, group_records

SCORES = ("pck@0.1", "pck_regressed@0.1", "nme", "entropy", "nvs_loss")  # columns in addition to the tested scores
MISSING = object()


@dataclass(frozen=True)
class Effect:
    """A setting's change from one value to another, and the pairs of groups that differ in nothing else.

    Without pairs it is a value that has no group equal to another value's in all other settings.
    """

    path: str
    label: str
    pairs: tuple[tuple[Group, Group], ...]


@dataclass(frozen=True)
class Level:
    """One value of a setting, and its groups: by their other settings, then by their fingerprints."""

    value: Any
    groups: dict[str, dict[str, Group]]

    @property
    def first(self) -> Group:
        """Return the first of its groups."""
        return next(group for by_print in self.groups.values() for group in by_print.values())


def effects_table(groups: Sequence[Group], names: Sequence[str], report: ReportSpec) -> Table | None:
    """Return the main effects of the report's `effects`; None if that is empty or no setting has a pair.

    A cell is the mean over seeds of the mean over pairs of settings that differ in this one alone. The cell holds the
    pairs. A seed counts if every pair has it.
    """
    columns = _columns(names, report)
    all_effects = [effect for path in report.effects for effect in _effects(groups, path)]
    paired = [effect for effect in all_effects if effect.pairs]
    if not paired or not columns:
        return None
    cells = [[_cell(effect, column) for column in columns] for effect in paired]
    seeds = [max(cell.interval.count if cell.interval else 0 for cell in row) for row in cells]
    tested = [cell.difference for row in cells for cell, column in zip(row, columns, strict=True)
              if cell.difference and (column.score in report.tests or not report.tests)]
    by_id = dict(zip(map(id, tested), corrected(tested), strict=True))
    rows = tuple(Row((effect.path, effect.label), count, tuple(_finish(cell, by_id, count) for cell in row),
                     effect.pairs[0][0].test_data)
                 for effect, row, count in zip(paired, cells, seeds, strict=True))
    return Table(EFFECTS, "Main effects", ("setting", "change"), columns, rows,
                 _notes(groups, all_effects, rows, list(by_id.values()), report))


def why_none(names: Sequence[str], report: ReportSpec) -> str:
    """Return why there is no table of the report's `effects`; "" if they are empty."""
    any_score = bool(_columns(names, report))
    return listing("No two settings differ in nothing but" if any_score else "No trial has a score to show effects on",
                   report.effects)


def _columns(names: Sequence[str], report: ReportSpec) -> tuple[Column, ...]:
    by_score = {column.score: column for layout in reversed(TABLES) for column in layout.columns(names)}
    return tuple(replace(by_score[score], tested=False, group="") for score in dict.fromkeys((*report.tests, *SCORES))
                 if score in names and score in by_score)


def _effects(groups: Sequence[Group], path: str) -> list[Effect]:
    """Return a setting's changes to each value, from the first value before it that has a pair with it."""
    levels: dict[str, Level] = {}
    for group in groups:
        record = group.records[0]
        value = dotted.get(record["spec"], path, MISSING)
        if value is not MISSING:
            level = levels.setdefault(canonical(value), Level(value, {}))
            others = canonical([without(record["spec"], ["seed", path]), group.test_data])
            level.groups.setdefault(others, {})[canonical(record.get("fingerprints"))] = group
    labels = _labels(path, list(levels.values()))
    effects = []
    alone = dict(enumerate(label for _, label in labels))
    for i, (after, label) in enumerate(labels):
        candidates = ((tuple(_pairs(before, after, path)), j) for j, (before, _) in enumerate(labels[:i]))
        pairs, j = next((candidate for candidate in candidates if candidate[0]), ((), i))
        if pairs:
            effects.append(Effect(path, f"{labels[j][1]} → {label}", pairs))
            alone = {k: words for k, words in alone.items() if k not in (i, j)}
    return effects + [Effect(path, words, ()) for words in alone.values()]


def _pairs(before: Level, after: Level, path: str) -> Iterator[tuple[Group, Group]]:
    """Yield the pairs of settings of two values that are equal in all other settings and in their fingerprints.

    Different models have different weights, which belong to the change; but not if a side has several weights.
    """
    for others, new in after.groups.items():
        old = before.groups.get(others, {})
        same = [(old[prints], group) for prints, group in new.items() if prints in old]
        if not same and path.split(".")[0] == "model" and len(new) == len(old) == 1:
            same = list(zip(old.values(), new.values(), strict=True))
        yield from same


def _labels(path: str, levels: Sequence[Level]) -> list[tuple[Level, str]]:
    """Return each value's label; equal labels get the knobs that differ, as in the tables' rows."""
    words = [_words(level.value) for level in levels]
    for word in {word for word in words if words.count(word) > 1}:
        same = [i for i, other in enumerate(words) if other == word]
        _, rows = group_records([levels[i].first.records[0] for i in same], ReportSpec((path,)))
        for i, row in zip(same, rows, strict=True):
            words[i] = row.labels[0]
    return list(zip(levels, words, strict=True))


def _cell(effect: Effect, column: Column) -> Cell:
    """Return the effect on one score over the seeds that every pair has; empty if a pair measured it on other data."""
    sides = [tuple(_by_seed(group, column.score) for group in pair) for pair in effect.pairs]
    seeds = sorted(set.intersection(*(set(side) for pair in sides for side in pair)))
    if not seeds or any(a.measured_on(column.score) != b.measured_on(column.score) for a, b in effect.pairs):
        return Cell(None, ABSENT)
    low, high = ([sum(pair[side][seed][1] for pair in sides) / len(sides) for seed in seeds] for side in (0, 1))
    gaps = [b - a for a, b in zip(low, high, strict=True)]
    interval = mean_interval(gaps)
    pairs = tuple((pair[0][seed][0], pair[1][seed][0]) for seed in seeds for pair in sides)
    values = dict(side[seed] for pair in sides for side in pair for seed in seeds)
    difference = None
    if len(gaps) > 1:
        better = probability_of_improvement(high, low, column.better)
        difference = Difference((effect.label,), interval, float(sign_flip(gaps)[0]), effect_size(gaps), better)
    text = format_interval(interval, column, signed=True, like=sum(low) / len(low))
    return Cell(interval, text, difference=difference, trials=tuple(values), values=tuple(values.values()), pairs=pairs)


def _by_seed(group: Group, score: str) -> dict[int, tuple[str, float]]:
    return {record["spec"]["seed"]: (str(record["id"]), scores[score])
            for record, scores in zip(group.records, group.scores, strict=True) if score in scores}


def _finish(cell: Cell, by_id: Mapping[int, Difference], seeds: int) -> Cell:
    """Return a cell with its corrected test, and in brackets its number of seeds if the row has more."""
    if cell.interval is None:
        return cell
    brackets = f" ({cell.interval.count})" if cell.interval.count < seeds else ""
    difference = by_id.get(id(cell.difference), cell.difference)
    return replace(cell, text=cell.text + brackets, difference=difference, star=bool(difference and difference.star))


def _notes(groups: Sequence[Group], effects: Sequence[Effect], rows: Sequence[Row], tested: Sequence[Difference],
           report: ReportSpec) -> tuple[str, ...]:
    counts = [f"{effect.path} {effect.label}: {len(effect.pairs)}" for effect in effects if effect.pairs]
    first = (f"{average(groups)} Each cell: the score after the change minus that before, a mean over pairs of "
             "settings that differ in nothing else, seed by seed on the same scenes.")
    if any(cell.interval and cell.interval.count < row.seeds for row in rows for cell in row.cells):
        first += " In brackets: how many seeds have this score in every pair, where not all do."
    paired = {effect.path for effect in effects if effect.pairs}
    alone = [f"{effect.path} {effect.label}" for effect in effects if effect.path in paired and not effect.pairs]
    return tuple(filter(None, [first, listing("Pairs", counts), _stars(tested),
                               listing("No two settings differ in nothing but",
                                       [path for path in report.effects if path not in paired]),
                               listing("In no pair, for no other value meets it in all else", alone)]))


def _stars(tested: Sequence[Difference]) -> str:
    """Return the meaning of a star, or why no effect can have one; "" without tests."""
    stars, test, takes = star_notes(tested, "some")
    return stars if stars or not tested else f"n too small: no effect can reach p ≤ {ALPHA} by {test}; {takes}."


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name", " + ".join(map(str, value))))
    return str(value).lower() if isinstance(value, bool) else str(value)

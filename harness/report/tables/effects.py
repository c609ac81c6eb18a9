"""Main effects: what one setting does, averaged over all that varies beside it, seed by seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.config import dotted
from harness.config.spec import ReportSpec
from harness.report.statistics import (
    effect_size,
    holm,
    mean_interval,
    probability_of_improvement,
    seeds_needed,
    sign_flip,
    smallest_p,
)
from harness.report.statistics.paired import ALPHA
from harness.report.tables.cells import EFFECTS, Cell, Difference, Row, Table, written
from harness.report.tables.columns import TABLES, Column
from harness.report.tables.notes import average, listing
from harness.report.tables.rows import ABSENT, Group, canonical, grouped, without

SCORES = ("pck@0.1", "pck_regressed@0.1", "nme", "entropy", "nvs_loss")  # shown beside those that are tested
MISSING = object()


@dataclass(frozen=True)
class Effect:
    """A setting's change from one value to another, and the groups that differ in nothing else.

    Without pairs it is a value that meets no other one in all else.
    """

    path: str
    label: str
    pairs: tuple[tuple[Group, Group], ...]


@dataclass(frozen=True)
class Level:
    """One value of a setting: its groups by all else that they are, then by their fingerprints."""

    value: Any
    groups: dict[str, dict[str, Group]]

    @property
    def first(self) -> Group:
        """Return the first of its groups."""
        return next(group for alike in self.groups.values() for group in alike.values())


def effects_table(groups: Sequence[Group], names: Sequence[str], report: ReportSpec) -> Table | None:
    """Return the effects of the settings that the report asks for; None where it asks for none or none has a pair.

    A cell is the mean over seeds of the mean over pairs of settings that differ in this one alone; which pairs these
    are is in the cell. A seed counts where every pair has it.
    """
    columns = _columns(names, report)
    every = [effect for path in report.effects for effect in _effects(groups, path)]
    found = [effect for effect in every if effect.pairs]
    if not found or not columns:
        return None
    cells = [[_cell(effect, column) for column in columns] for effect in found]
    seeds = [max(cell.interval.count if cell.interval else 0 for cell in row) for row in cells]
    tested = [cell.difference for row in cells for cell, column in zip(row, columns, strict=True)
              if cell.difference and (column.score in report.tests or not report.tests)]
    corrected = dict(zip(map(id, tested), _corrected(tested), strict=True))
    rows = tuple(Row((effect.path, effect.label), count, tuple(_shown(cell, corrected, count) for cell in row),
                     effect.pairs[0][0].test_data)
                 for effect, row, count in zip(found, cells, seeds, strict=True))
    return Table(EFFECTS, "Main effects", ("setting", "change"), columns, rows,
                 _notes(groups, every, rows, list(corrected.values()), report))


def why_none(names: Sequence[str], report: ReportSpec) -> str:
    """Return why there is no table of the effects that the report asks for; nothing where it asks for none."""
    any_score = bool(_columns(names, report))
    return listing("No two settings differ in nothing but" if any_score else "No trial has a score to show effects on",
                   report.effects)


def _columns(names: Sequence[str], report: ReportSpec) -> tuple[Column, ...]:
    wanted = dict.fromkeys((*report.tests, *SCORES))
    known = {column.score: column for layout in reversed(TABLES) for column in layout.columns(names)}
    return tuple(replace(known[score], tested=False, group="") for score in wanted if score in names and score in known)


def _effects(groups: Sequence[Group], path: str) -> list[Effect]:
    """Return a setting's changes to each of its values, from the first value before it that it meets in all else."""
    levels: dict[str, Level] = {}
    for group in groups:
        record = group.records[0]
        value = dotted.get(record["spec"], path, MISSING)
        if value is not MISSING:
            level = levels.setdefault(canonical(value), Level(value, {}))
            rest = canonical([without(record["spec"], ["seed", path]), group.test_data])
            level.groups.setdefault(rest, {})[canonical(record.get("fingerprints"))] = group
    labels = _labels(path, list(levels.values()))
    effects = []
    alone = dict(enumerate(label for _, label in labels))
    for i, (after, label) in enumerate(labels):
        met = ((tuple(_pairs(before, after, path)), j) for j, (before, _) in enumerate(labels[:i]))
        pairs, j = next((found for found in met if found[0]), ((), i))
        if pairs:
            effects.append(Effect(path, f"{labels[j][1]} → {label}", pairs))
            alone = {k: words for k, words in alone.items() if k not in (i, j)}
    return effects + [Effect(path, words, ()) for words in alone.values()]


def _pairs(before: Level, after: Level, path: str) -> Iterator[tuple[Group, Group]]:
    """Yield the settings of two values that are alike in all else, weights included.

    Another model may have other weights, which then belong to the change; but only where there is no choice of them.
    """
    for rest, own in after.groups.items():
        other = before.groups.get(rest, {})
        same = [(other[marks], group) for marks, group in own.items() if marks in other]
        if not same and path.split(".")[0] == "model" and len(own) == len(other) == 1:
            same = list(zip(other.values(), own.values(), strict=True))
        yield from same


def _labels(path: str, levels: Sequence[Level]) -> list[tuple[Level, str]]:
    """Return each value in words; those that these do not tell apart get the knobs that do, as in the tables' rows."""
    words = [_words(level.value) for level in levels]
    for word in {word for word in words if words.count(word) > 1}:
        alike = [i for i, other in enumerate(words) if other == word]
        _, rows = grouped([levels[i].first.records[0] for i in alike], ReportSpec((path,)))
        for i, row in zip(alike, rows, strict=True):
            words[i] = row.labels[0]
    return list(zip(levels, words, strict=True))


def _cell(effect: Effect, column: Column) -> Cell:
    """Return the effect on one score, over the seeds in which every pair has it; none where pairs took it elsewhere."""
    sides = [tuple(_by_seed(group, column.score) for group in pair) for pair in effect.pairs]
    seeds = sorted(set.intersection(*(set(own) for pair in sides for own in pair)))
    if not seeds or any(a.measured_on(column.score) != b.measured_on(column.score) for a, b in effect.pairs):
        return Cell(None, ABSENT)
    low, high = ([sum(pair[side][seed][1] for pair in sides) / len(sides) for seed in seeds] for side in (0, 1))
    gaps = [b - a for a, b in zip(low, high, strict=True)]
    interval = mean_interval(gaps)
    pairs = tuple((pair[0][seed][0], pair[1][seed][0]) for seed in seeds for pair in sides)
    values = {trial: value for pair in sides for own in pair for seed in seeds for trial, value in (own[seed],)}
    difference = None
    if len(gaps) > 1:
        better = probability_of_improvement(high, low, column.better or 1)
        difference = Difference((effect.label,), interval, float(sign_flip(gaps)[0]), effect_size(gaps), better)
    return Cell(interval, written(interval, column, signed=True, like=sum(low) / len(low)), difference=difference,
                trials=tuple(values), values=tuple(values.values()), pairs=pairs)


def _by_seed(group: Group, score: str) -> dict[int, tuple[str, float]]:
    return {record["spec"]["seed"]: (str(record["id"]), scores[score])
            for record, scores in zip(group.records, group.scores, strict=True) if score in scores}


def _corrected(tested: Sequence[Difference]) -> list[Difference]:
    """Return the table's tests with Holm's correction, each with whether its seeds can reach a star."""
    adjusted = holm([difference.p for difference in tested])
    possible = holm([smallest_p(difference.interval.count) for difference in tested])
    return [replace(difference, adjusted=value, reachable=least <= ALPHA)
            for difference, value, least in zip(tested, adjusted, possible, strict=True)]


def _shown(cell: Cell, corrected: Mapping[int, Difference], seeds: int) -> Cell:
    """Return a cell with its corrected test, and in brackets its own seeds where the row has more."""
    if cell.interval is None:
        return cell
    brackets = f" ({cell.interval.count})" if cell.interval.count < seeds else ""
    difference = corrected.get(id(cell.difference), cell.difference)
    return replace(cell, text=cell.text + brackets, difference=difference, star=bool(difference and difference.star))


def _notes(groups: Sequence[Group], every: Sequence[Effect], rows: Sequence[Row], tested: Sequence[Difference],
           report: ReportSpec) -> tuple[str, ...]:
    counts = [f"{effect.path} {effect.label}: {len(effect.pairs)}" for effect in every if effect.pairs]
    first = (f"{average(groups)} Each cell: the score after the change minus that before, a mean over pairs of "
             "settings that differ in nothing else, seed by seed on the same scenes.")
    if any(cell.interval and cell.interval.count < row.seeds for row in rows for cell in row.cells):
        first += " In brackets: how many seeds have this score in every pair, where not all do."
    met = {effect.path for effect in every if effect.pairs}
    alone = [f"{effect.path} {effect.label}" for effect in every if effect.path in met and not effect.pairs]
    return tuple(filter(None, [first, listing("Pairs", counts), _stars(tested),
                               listing("No two settings differ in nothing but",
                                       [path for path in report.effects if path not in met]),
                               listing("In no pair, for no other value meets it in all else", alone)]))


def _stars(tested: Sequence[Difference]) -> str:
    """Return what a star means, or why there can be none."""
    if not tested:
        return ""
    count = len(tested)
    test = "sign flips over seeds" + f", Holm's correction over the table's {count} tests" * (count > 1)
    if any(difference.reachable for difference in tested):
        some = "" if all(difference.reachable for difference in tested) else ", which some have too few seeds for"
        return f"*: p ≤ {ALPHA} by {test}{some}."
    needed = seeds_needed(count)
    return (f"n too small: no effect can reach p ≤ {ALPHA} by {test}; "
            f"{f'it takes {needed}' if needed else 'no number of seeds would do'}.")


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name", " + ".join(map(str, value))))
    return str(value).lower() if isinstance(value, bool) else str(value)

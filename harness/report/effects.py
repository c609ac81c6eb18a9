"""Main effects: what one setting does, averaged over all that varies beside it, seed by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.paths import at
from harness.report.cells import EFFECTS, Cell, Difference, Row, Table, written
from harness.report.columns import TABLES, Column
from harness.report.notes import average, listing
from harness.report.rows import ABSENT, Group, canonical
from harness.spec import ReportSpec
from harness.statistics import (
    effect_size,
    holm,
    mean_interval,
    probability_of_improvement,
    seeds_needed,
    sign_flip,
)
from harness.statistics.paired import ALPHA, smallest_p

SCORES = ("pck@0.1", "pck_regressed@0.1", "nme", "entropy", "nvs_loss")  # shown beside those that are tested
MISSING = object()


@dataclass(frozen=True)
class Effect:
    """A setting's change from one value to another, and the trials that differ in nothing else, seed by seed."""

    path: str
    values: tuple[Any, Any]
    pairs: tuple[tuple[Group, Group], ...]

    @property
    def label(self) -> str:
        """Return what changes into what."""
        return f"{_words(self.values[0])} → {_words(self.values[1])}"


def effects_table(groups: Sequence[Group], names: Sequence[str], report: ReportSpec) -> Table | None:
    """Return the effects of the settings that the report asks for; None where it asks for none or none has a pair.

    A cell is the mean over seeds of the mean over pairs of settings that differ in this one alone; which pairs these
    are is in the cell. A seed counts where every pair has it.
    """
    columns = _columns(names, report)
    found = [effect for path in report.effects for effect in _effects(groups, path)]
    if not found or not columns:
        return None
    cells = [[_cell(effect, column) for column in columns] for effect in found]
    tested = [cell.difference for row in cells for cell, column in zip(row, columns, strict=True)
              if cell.difference and (column.score in report.tests or not report.tests)]
    adjusted = dict(zip(map(id, tested), holm([difference.p for difference in tested]), strict=True))
    reachable = len(tested) * smallest_p(min((each.interval.count for each in tested), default=0)) <= ALPHA
    corrected = [[_corrected(cell, adjusted, reachable=reachable) for cell in row] for row in cells]
    rows = tuple(Row((effect.path, effect.label), max(cell.difference.interval.count if cell.difference else 0
                                                      for cell in row), tuple(row), effect.pairs[0][0].test_data)
                 for effect, row in zip(found, corrected, strict=True))
    return Table(EFFECTS, "Main effects", ("setting", "change"), columns, rows,
                 _notes(groups, found, len(tested), reachable=reachable, report=report))


def _columns(names: Sequence[str], report: ReportSpec) -> tuple[Column, ...]:
    wanted = dict.fromkeys((*report.tests, *SCORES))
    known = {column.score: column for layout in reversed(TABLES) for column in layout.columns(names)}
    return tuple(replace(known[score], tested=False, group="") for score in wanted if score in names and score in known)


def _effects(groups: Sequence[Group], path: str) -> list[Effect]:
    """Return a setting's changes from its first value to each other one, with the settings that meet in all else."""
    by_value: dict[str, tuple[Any, dict[str, Group]]] = {}
    for group in groups:
        spec = group.records[0]["spec"]
        value = at(spec, path, MISSING)
        if value is not MISSING:
            rest = canonical([_without(spec, path.split(".")), group.test_data])
            by_value.setdefault(canonical(value), (value, {}))[1][rest] = group
    levels = list(by_value.values())
    effects = []
    for value, members in levels[1:]:
        first, base = levels[0]
        pairs = tuple((base[rest], members[rest]) for rest in members if rest in base)
        if pairs:
            effects.append(Effect(path, (first, value), pairs))
    return effects


def _without(spec: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """Return a setting without what stands at a path, and without the seed."""
    inner = dict(spec)
    if len(words) == 1:
        inner.pop(words[0])
    else:
        inner[words[0]] = _without(inner[words[0]], words[1:])
    inner.pop("seed", None)
    return inner


def _cell(effect: Effect, column: Column) -> Cell:
    """Return the effect on one score, over the seeds in which every pair has it."""
    sides = [tuple(_by_seed(group, column.score) for group in pair) for pair in effect.pairs]
    seeds = sorted(set.intersection(*(set(own) for pair in sides for own in pair)))
    if not seeds:
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


def _corrected(cell: Cell, adjusted: Mapping[int, float], *, reachable: bool) -> Cell:
    if cell.difference is None or id(cell.difference) not in adjusted:
        return cell
    difference = replace(cell.difference, adjusted=adjusted[id(cell.difference)], reachable=reachable)
    return replace(cell, difference=difference, star=difference.star)


def _notes(groups: Sequence[Group], found: Sequence[Effect], tests: int, *, reachable: bool, report: ReportSpec
           ) -> tuple[str, ...]:
    counts = [f"{effect.path} {effect.label}: {len(effect.pairs)}" for effect in found]
    first = (f"{average(groups)} Each cell: the score after the change minus that before, a mean over pairs of "
             "settings that differ in nothing else, seed by seed on the same scenes.")
    needed = seeds_needed(tests)
    test = "sign flips over seeds" + f", Holm's correction over the table's {tests} tests" * (tests > 1)
    stars = f"*: p ≤ {ALPHA} by {test}." if reachable else (
        f"n too small: no effect can reach p ≤ {ALPHA} by {test}; "
        f"{f'it takes {needed}' if needed else 'no number of seeds would do'}.")
    absent = [path for path in report.effects if all(effect.path != path for effect in found)]
    return tuple(filter(None, [first, listing("Pairs", counts), stars if tests else "",
                               listing("No two settings differ in nothing but", absent)]))


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name", " + ".join(map(str, value))))
    return str(value).lower() if isinstance(value, bool) else str(value)

"""Comparisons of rows: the baseline of each row, paired differences to it, best and tied cells."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from harness.config.dotted import leaves
from harness.config.setting_texts import canonical, without
from harness.report.statistics import (
    effect_size,
    holm,
    mean_interval,
    probability_of_improvement,
    sign_flip,
    smallest_p,
)
from harness.report.statistics.paired import ALPHA
from harness.report.tables.cells import Difference
from harness.report.tables.columns import Column
from harness.report.tables.values import RowValues

Place = tuple[int, int]  # row, column


def baselines(rows: Sequence[RowValues], paths: Sequence[str]) -> list[int | None]:
    """Return the index of each row's baseline: the baseline row that differs from it in the named settings alone.

    ``paths`` are the settings that name the baseline; a choice's name includes its knobs. None without a baseline of
    the same test data and other settings; of several, the one with the fewest different knobs. A reference is compared
    with the baseline among its settings, or with the table's only setting.
    """
    named = [i for i, row in enumerate(rows) if row.is_baseline]
    settings = [i for i, row in enumerate(rows) if not row.is_reference]
    if not named and len(settings) == 1:
        named = settings
    named_by = [path.removesuffix(".name") for path in paths]
    rest = {i: _rest(rows[i], named_by) for i in settings}
    by_rest: dict[str, list[int]] = {}
    for i in named:
        by_rest.setdefault(rest[i], []).append(i)
    against: list[int | None] = []
    for i, row in enumerate(rows):
        if row.is_reference:
            members = {id(member) for member in row.members}
            against.append(_only([j for j in named if id(rows[j].members[0]) in members]))
        else:
            against.append(None if i in named else _nearest(rows, i, by_rest.get(rest[i], [])))
    return against


def differences(
    rows: Sequence[RowValues], columns: Sequence[Column], against: Sequence[int | None]
) -> dict[Place, Difference]:
    """Return the paired difference of every cell that shares a seed with its baseline, with Holm's p if it is tested.

    The tests of a table are those of its settings; with one setting, those of the references against it. Scores of
    generated views are compared only on the same scenes and noise levels.
    """
    sides = {
        (i, j): (row, other, [row.by_seed[j][seed] - other.by_seed[j][seed] for seed in row.seeds
                              if seed in row.by_seed[j] and seed in other.by_seed[j]])
        for i, row in enumerate(rows) if (base := against[i]) is not None
        for j, column in enumerate(columns) if column.kind == "mean"
        for other in [rows[base]] if _is_comparable(row, other, column)
    }
    sides = {place: parts for place, parts in sides.items() if parts[2]}
    p = _p_values({place: gaps for place, (_, _, gaps) in sides.items()})
    compared = {
        (i, j): Difference(
            other.labels, mean_interval(gaps), p[i, j], effect_size(gaps),
            _improvement([*row.by_seed[j].values()], [*other.by_seed[j].values()], columns[j]),
        )
        for (i, j), (row, other, gaps) in sides.items()
    }
    is_alone = sum(not row.is_reference for row in rows) == 1
    family = [place for place in compared
              if columns[place[1]].tested and rows[place[0]].is_reference == is_alone]
    return compared | dict(zip(family, corrected([compared[place] for place in family]), strict=True))


def corrected(tested: Sequence[Difference]) -> list[Difference]:
    """Return a table's tested differences with Holm's correction, and whether their seeds can reach significance."""
    adjusted = holm([difference.p for difference in tested])
    smallest = holm([smallest_p(difference.interval.count) for difference in tested])
    return [replace(difference, adjusted=value, reachable=least <= ALPHA)
            for difference, value, least in zip(tested, adjusted, smallest, strict=True)]


def best_and_tied(rows: Sequence[RowValues], columns: Sequence[Column]) -> tuple[set[Place], set[Place]]:
    """Return the cells with the best mean among rows of the same data, and the cells tied with these.

    A cell is tied if the 95% interval of its paired difference to the best holds 0, or if they share fewer than two
    seeds. There is no mark if the best has one seed or no rival.
    """
    best: set[Place] = set()
    tied: set[Place] = set()
    for j, column in enumerate(columns):
        rivals: dict[str, list[int]] = {}
        for i, row in enumerate(rows) if column.better and column.kind == "mean" else ():
            rivals.setdefault(row.members[0].measured_on(column.score), []).append(i)
        for members in rivals.values():
            means = {i: fmean(rows[i].by_seed[j].values()) for i in members if rows[i].by_seed[j]}
            if len(means) < 2:
                continue
            top = max(means, key=lambda i: column.better * means[i])
            if len(rows[top].by_seed[j]) < 2:
                continue
            for i in means:
                if means[i] == means[top]:
                    best.add((i, j))
                elif _may_be_equal(rows[i].by_seed[j], rows[top].by_seed[j]):
                    tied.add((i, j))
    return best, tied


def _improvement(values: Sequence[float], baseline: Sequence[float], column: Column) -> float | None:
    """Return the probability of improvement, None from a single run of either: it would be 0 or 1."""
    return probability_of_improvement(values, baseline, column.better) if min(len(values), len(baseline)) > 1 else None


def _is_comparable(row: RowValues, other: RowValues, column: Column) -> bool:
    return row.members[0].measured_on(column.score) == other.members[0].measured_on(column.score)


def _may_be_equal(one: Mapping[int, float], other: Mapping[int, float]) -> bool:
    common = one.keys() & other.keys()
    if len(common) < 2:
        return True
    gap = mean_interval([one[seed] - other[seed] for seed in common])
    return gap.low <= 0 <= gap.high


def _p_values(differences: Mapping[Place, Sequence[float]]) -> dict[Place, float]:
    """Return the p of every list of differences; lists of equal length are tested together, for speed."""
    by_count: dict[int, list[Place]] = {}
    for place, gaps in differences.items():
        by_count.setdefault(len(gaps), []).append(place)
    p: dict[Place, float] = {}
    for places in by_count.values():
        values = sign_flip(np.array([differences[place] for place in places]))
        p.update(zip(places, values.tolist(), strict=True))
    return p


def _rest(row: RowValues, named_by: Sequence[str]) -> str:
    """Return what a row and its baseline must share: test data, weights, and the settings that name no baseline."""
    record = row.members[0].records[0]
    spec = without(record["spec"], ["seed", *named_by])
    names_model = any(path.split(".")[0] == "model" for path in named_by)
    return canonical([row.test_data, None if names_model else (record.get("fingerprints") or {}).get("weights"), spec])


def _nearest(rows: Sequence[RowValues], index: int, candidates: Sequence[int]) -> int | None:
    """Return the candidate that differs from a row in the fewest settings and knobs, None if there are several."""
    if len(candidates) < 2:
        return _only(candidates)
    own = _spec_leaves(rows[index])
    distance = {i: len(own ^ _spec_leaves(rows[i])) for i in candidates}
    return _only([i for i in candidates if distance[i] == min(distance.values())])


def _spec_leaves(row: RowValues) -> set[tuple[str, str]]:
    return {(path, canonical(leaf)) for path, leaf in leaves(row.members[0].records[0]["spec"])}


def _only(candidates: Sequence[int]) -> int | None:
    return candidates[0] if len(candidates) == 1 else None

"""Which rows are compared with which, and what comes of it: paired differences to the baseline, best and tied cells."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np

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
from harness.report.tables.rows import canonical, without
from harness.report.tables.values import Line

Place = tuple[int, int]  # row, column


def baselines(lines: Sequence[Line], paths: Sequence[str]) -> list[int | None]:
    """Return for each line the line that it is compared with: the baseline that differs in its own settings alone.

    ``paths`` are the settings that name the baseline; a choice's name stands for the choice. A baseline of other test
    data, or one that differs in anything else, is none; of several, the one nearest in knobs is taken. References are
    compared with the baseline among the settings that they stand for, or with the only setting there is.
    """
    named = [i for i, line in enumerate(lines) if line.is_baseline]
    lone = [i for i, line in enumerate(lines) if not line.is_reference]
    if not named and len(lone) == 1:
        named = lone
    named_by = [path.removesuffix(".name") for path in paths]
    rest = {i: _rest(lines[i], named_by) for i, line in enumerate(lines) if not line.is_reference}
    by_rest: dict[str, list[int]] = {}
    for i in named:
        by_rest.setdefault(rest[i], []).append(i)
    found: list[int | None] = []
    for i, line in enumerate(lines):
        if line.is_reference:
            members = {id(member) for member in line.members}
            found.append(_only([j for j in named if id(lines[j].members[0]) in members]))
        else:
            found.append(None if i in named else _nearest(lines, i, by_rest.get(rest[i], [])))
    return found


def differences(
    lines: Sequence[Line], columns: Sequence[Column], against: Sequence[int | None]
) -> dict[Place, Difference]:
    """Return the paired difference of every cell whose baseline shares a seed with it, tested where its column is.

    The tests of a table are those of its settings; where it has but one setting, those of the references against it.
    Scores of generated views are compared where they are of the same scenes and noise levels.
    """
    found = {
        (i, j): (line, other, [line.by_seed[j][seed] - other.by_seed[j][seed] for seed in line.seeds
                               if seed in line.by_seed[j] and seed in other.by_seed[j]])
        for i, line in enumerate(lines) if (base := against[i]) is not None
        for j, column in enumerate(columns) if column.kind == "mean"
        for other in [lines[base]] if _is_comparable(line, other, column)
    }
    found = {place: parts for place, parts in found.items() if parts[2]}
    p = _p_values({place: own for place, (_, _, own) in found.items()})
    made = {
        (i, j): Difference(
            other.labels, mean_interval(own), p[i, j], effect_size(own),
            probability_of_improvement([*line.by_seed[j].values()], [*other.by_seed[j].values()],
                                       columns[j].better or 1),
        )
        for (i, j), (line, other, own) in found.items()
    }
    is_alone = sum(not line.is_reference for line in lines) == 1
    family = [place for place in made
              if columns[place[1]].tested and lines[place[0]].is_reference == is_alone]
    adjusted = holm([p[place] for place in family])
    possible = holm([smallest_p(made[place].interval.count) for place in family])
    for place, value, least in zip(family, adjusted, possible, strict=True):
        made[place] = replace(made[place], adjusted=value, reachable=least <= ALPHA)
    return made


def best_and_tied(lines: Sequence[Line], columns: Sequence[Column]) -> tuple[set[Place], set[Place]]:
    """Return the cells with the best mean among rows measured on the same, and those not told apart from it.

    A cell is tied where the 95% interval of its paired difference to the best holds 0, or where too few seeds are
    shared to tell. Nothing is marked where the best has one seed, or no rival.
    """
    best: set[Place] = set()
    tied: set[Place] = set()
    for j, column in enumerate(columns):
        rivals: dict[str, list[int]] = {}
        for i, line in enumerate(lines) if column.better and column.kind == "mean" else ():
            rivals.setdefault(line.members[0].measured_on(column.score), []).append(i)
        for members in rivals.values():
            known = [i for i in members if lines[i].by_seed[j]]
            if len(known) < 2:
                continue
            means = {i: fmean(lines[i].by_seed[j].values()) for i in known}
            top = max(known, key=lambda i: column.better * means[i])
            if len(lines[top].by_seed[j]) < 2:
                continue
            for i in known:
                if means[i] == means[top]:
                    best.add((i, j))
                elif _may_be_equal(lines[i].by_seed[j], lines[top].by_seed[j]):
                    tied.add((i, j))
    return best, tied


def _is_comparable(line: Line, other: Line, column: Column) -> bool:
    return line.members[0].measured_on(column.score) == other.members[0].measured_on(column.score)


def _may_be_equal(one: Mapping[int, float], other: Mapping[int, float]) -> bool:
    common = one.keys() & other.keys()
    if len(common) < 2:
        return True
    found = mean_interval([one[seed] - other[seed] for seed in common])
    return found.low <= 0 <= found.high


def _p_values(differences: Mapping[Place, Sequence[float]]) -> dict[Place, float]:
    """Return the p of every list of differences, those of equal length tested together."""
    by_count: dict[int, list[Place]] = {}
    for place, own in differences.items():
        by_count.setdefault(len(own), []).append(place)
    found: dict[Place, float] = {}
    for places in by_count.values():
        values = sign_flip(np.array([differences[place] for place in places]))
        found.update(zip(places, values.tolist(), strict=True))
    return found


def _rest(line: Line, named_by: Sequence[str]) -> str:
    """Return everything that a line and its baseline must share: test data, weights, settings that name no baseline."""
    record = line.members[0].records[0]
    spec = without(record["spec"], ["seed", *named_by])
    names_model = any(path.split(".")[0] == "model" for path in named_by)
    return canonical([line.test_data, None if names_model else (record.get("fingerprints") or {}).get("weights"), spec])


def _nearest(lines: Sequence[Line], own: int, candidates: Sequence[int]) -> int | None:
    """Return the candidate that differs from a line in the fewest settings and knobs, None where that is no single."""
    if len(candidates) < 2:
        return _only(candidates)
    leaves = _leaves(_spec(lines[own]))
    far = {i: len(leaves ^ _leaves(_spec(lines[i]))) for i in candidates}
    return _only([i for i in candidates if far[i] == min(far.values())])


def _leaves(value: Any, path: str = "") -> set[tuple[str, str]]:
    if not isinstance(value, Mapping):
        return {(path, json.dumps(value, default=list))}
    return {leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}")}


def _spec(line: Line) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = line.members[0].records[0]["spec"]
    return spec


def _only(found: Sequence[int]) -> int | None:
    return found[0] if len(found) == 1 else None

"""Comparisons of two settings A and B: their scores seed by seed, and PCK scene by scene."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.config.setting_texts import canonical
from harness.report.compare import setting_changes
from harness.report.statistics import (
    Interval,
    effect_size,
    holm,
    mean_interval,
    probability_of_improvement,
    sign_flip,
    two_way_interval,
)
from harness.report.tables.columns import TABLES, Column
from harness.report.tables.rows import ORIGINS, Group, Record, varying_settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.report.inputs import Columns, ReadFile

ALPHA = 0.1  # threshold of the PCK by scene
POINTS = {"scene", "visible", "error", "normaliser"}  # columns that PCK by scene needs


@dataclass(frozen=True)
class ScoreComparison:
    """One score of both sides, and the difference B - A over the pairs that have it; None without a pair.

    ``p`` is of the paired sign-flip test, ``adjusted`` Holm's over all scores; None below two pairs.
    """

    column: Column
    one: Interval
    other: Interval
    difference: Interval | None
    p: float | None = None
    adjusted: float | None = None
    effect: float | None = None
    improvement: float | None = None


@dataclass(frozen=True)
class SceneComparison:
    """PCK of one test scene on both sides, a mean over pairs; ``shown`` is the pair closest to the mean difference."""

    scene: int
    one: float
    other: float
    shown: int

    @property
    def difference(self) -> float:
        """Return B - A."""
        return self.other - self.one


@dataclass(frozen=True)
class ScenesComparison:
    """PCK scene by scene, the worst for B first.

    ``both`` is the interval of the pooled difference over seeds and scenes, None below two pairs; ``over_scenes`` and
    ``p`` are of the mean scene's difference, over scenes alone.
    """

    each: tuple[SceneComparison, ...]
    over_scenes: Interval
    p: float
    both: Interval | None = None


@dataclass(frozen=True)
class Pair:
    """Trials of two settings, paired by seed; ``by_seed`` is False for two single trials of different seeds."""

    one: tuple[Record, ...]
    other: tuple[Record, ...]
    by_seed: bool = True

    @property
    def is_comparable(self) -> bool:
        """True if both were scored on the same data."""
        return _single(self.one[0]).test_data == _single(self.other[0]).test_data

    def is_measured_alike(self, score: str) -> bool:
        """Return whether both have a score on the same data and, for generated views, scenes and noise levels."""
        return _single(self.one[0]).measured_on(score) == _single(self.other[0]).measured_on(score)

    @property
    def knobs(self) -> list[tuple[str, Any, Any]]:
        """Return the settings and fingerprints in which they differ, with both values."""
        one, other = _prints(self.one[0]), _prints(self.other[0])
        return setting_changes.differing(self.one[0]["spec"], self.other[0]["spec"]) + [
            (f"{kind} fingerprint", one.get(kind), other.get(kind)) for kind in ORIGINS
            if one.get(kind) != other.get(kind)
        ]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the seeds of the pairs; those of A for single trials of different seeds."""
        return tuple(record["spec"]["seed"] for record in self.one)


def pair_by_seed(one: Sequence[Record], other: Sequence[Record]) -> Pair | None:
    """Return the trials of two settings that share a seed; single trials are a pair with any seeds."""
    if len(one) == len(other) == 1:
        return Pair((one[0],), (other[0],), by_seed=one[0]["spec"]["seed"] == other[0]["spec"]["seed"])
    first, second = ({record["spec"]["seed"]: record for record in side} for side in (one, other))
    common = sorted(first.keys() & second.keys())
    return Pair(tuple(first[seed] for seed in common), tuple(second[seed] for seed in common)) if common else None


def compare_scores(pair: Pair) -> list[ScoreComparison]:
    """Return the scores that the tables test and both sides have; on different data without a difference."""
    values = [Group((), side, is_baseline=False).scores for side in (pair.one, pair.other)]
    names = [name for scores in values[0] for name in scores]
    compared: dict[str, ScoreComparison] = {}
    for column in (column for layout in TABLES for column in layout.columns(names)):
        pairs = [(one[column.score], other[column.score]) for one, other in zip(*values, strict=True)
                 if column.score in one and column.score in other]
        if pairs and column.tested and column.kind == "mean" and column.score not in compared:
            compared[column.score] = _compare(column, pairs, same_data=pair.is_measured_alike(column.score))
    tested = [score for score in compared.values() if score.p is not None]
    adjusted = dict(zip((score.column.score for score in tested), holm([score.p or 0.0 for score in tested]),
                        strict=True))
    return [replace(score, adjusted=adjusted.get(name)) for name, score in compared.items()]


def compare_scenes(pair: Pair, read: "ReadFile") -> ScenesComparison | None:
    """Return PCK by scene; None if test data differ, a trial has no points, or a scene has no visible point."""
    if not pair.is_comparable:
        return None
    points = [[table for record in side if (table := _points(record, read))] for side in (pair.one, pair.other)]
    if not len(points[0]) == len(points[1]) == len(pair.one):
        return None
    (hits, visible), (other_hits, other_visible) = map(_hits, points)
    if hits.shape != other_hits.shape or not (visible == other_visible).all() or not visible.sum(0).all():
        return None
    one, other = (side.sum(0) / visible.sum(0) for side in (hits, other_hits))
    by_pair = np.where(visible > 0, (other_hits - hits) / np.maximum(visible, 1), np.inf)
    typical = np.abs(by_pair - (other - one)).argmin(0)
    each = [SceneComparison(i, float(one[i]), float(other[i]), int(typical[i])) for i in range(len(one))]
    differences = other - one
    both = two_way_interval(other_hits - hits, visible) if min(hits.shape) > 1 else None
    return ScenesComparison(tuple(sorted(each, key=lambda scene: (scene.difference, scene.scene))),
                  mean_interval(differences.tolist()), float(sign_flip(differences)[0]), both)


def match_settings(one: Sequence[Group], other: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Return the pairs of settings that agree in everything that varies inside either side, seeds aside.

    If a side has several data or weights under one of these settings, those have to agree too.
    """
    specs = [[group.records[0]["spec"] for group in side] for side in (one, other)]
    keys = {key for side in specs for key in varying_settings(side)} - {"seed"}
    first, second = (_by_values(side, sorted(keys)) for side in (one, other))
    return [pair for values, groups in first.items() for pair in _of_one_origin(groups, second.get(values, []))]


def _compare(column: Column, pairs: Sequence[tuple[float, float]], *, same_data: bool) -> ScoreComparison:
    one, other = map(list, zip(*pairs, strict=True))
    if not same_data:
        return ScoreComparison(column, mean_interval(one), mean_interval(other), None)
    differences = [b - a for a, b in pairs]
    p = float(sign_flip(differences)[0]) if len(pairs) > 1 else None
    improvement = probability_of_improvement(other, one, column.better) if column.better and len(pairs) > 1 else None
    return ScoreComparison(column, mean_interval(one), mean_interval(other), mean_interval(differences), p, None,
                 effect_size(differences), improvement)


def _points(record: Record, read: "ReadFile") -> "Columns | None":
    """Return a trial's points; None without any, as on data without keypoints."""
    points = read(record, "points") if "points.parquet" in (record.get("files") or {}) else {}
    return points if points.keys() >= POINTS and len(points["scene"]) else None


def _hits(tables: "Sequence[Columns]") -> "tuple[NDArray[Any], NDArray[Any]]":
    """Return, as trials x scenes, the numbers of visible points within ALPHA and of all visible points."""
    rows = []
    for points in tables:
        visible = np.asarray(points["visible"], dtype=bool)
        near = visible & (points["error"] <= ALPHA * points["normaliser"])
        scene = np.asarray(points["scene"])
        rows.append((np.bincount(scene, near), np.bincount(scene, visible)))
    longest = max(len(counts) for pair in rows for counts in pair)
    hits, visible = (np.stack([np.pad(counts, (0, longest - len(counts))) for counts in side])
                     for side in zip(*rows, strict=True))
    return hits, visible


def _by_values(groups: Sequence[Group], keys: Sequence[str]) -> dict[str, list[Group]]:
    """Return groups by their values of some settings."""
    by_values: dict[str, list[Group]] = {}
    for group in groups:
        by_values.setdefault(canonical([group.records[0]["spec"].get(key) for key in keys]), []).append(group)
    return by_values


def _of_one_origin(one: Sequence[Group], other: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Return the pairs of two sides' groups of one setting; with equal data and weights if a side has several."""
    prints = [[_prints(group.records[0]) for group in side] for side in (one, other)]
    kinds = [kind for kind in ORIGINS if any(len({marks.get(kind) for marks in side}) > 1 for side in prints)]
    return [(first, second) for first, a in zip(one, prints[0], strict=True)
            for second, b in zip(other, prints[1], strict=True)
            if all(a.get(kind) == b.get(kind) for kind in kinds)]


def _prints(record: Record) -> Mapping[str, Any]:
    return record.get("fingerprints") or {}


def _single(record: Record) -> Group:
    return Group((), (record,), is_baseline=False)

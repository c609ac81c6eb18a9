"""Two settings against each other: their scores seed by seed, and scene by scene."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

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
from harness.report.tables.rows import ORIGINS, Group, Record, canonical, varying_settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = Mapping[str, NDArray[Any]]
    Read = Callable[[Record, str], Columns]

ALPHA = 0.1  # of the PCK by scene
POINTS = {"scene", "visible", "error", "normaliser"}  # columns that PCK by scene needs


@dataclass(frozen=True)
class ScoreComparison:
    """One score of both sides, and the difference B - A over the pairs that have it, None where none has.

    ``p`` is of the paired sign-flip test, ``adjusted`` Holm's over the scores shown; None below two pairs.
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
    """PCK of one test scene on both sides, a mean over pairs; ``shown`` is the pair whose difference is most usual."""

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

    ``both`` is the interval of the pooled difference for other seeds and other scenes, None below two pairs;
    ``over_scenes`` and ``p`` are those of the mean scene's difference for other scenes with these very trials.
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
        """Return whether both were scored on the same data."""
        return _alone(self.one[0]).test_data == _alone(self.other[0]).test_data

    def is_measured_alike(self, score: str) -> bool:
        """Return whether both took a score on the same data and, of generated views, scenes and noise levels."""
        return _alone(self.one[0]).measured_on(score) == _alone(self.other[0]).measured_on(score)

    @property
    def knobs(self) -> list[tuple[str, Any, Any]]:
        """Return the settings in which they differ, with both values, and the fingerprints that do."""
        one, other = _prints(self.one[0]), _prints(self.other[0])
        return setting_changes.differing(self.one[0]["spec"], self.other[0]["spec"]) + [
            (f"{kind} fingerprint", one.get(kind), other.get(kind)) for kind in ORIGINS
            if one.get(kind) != other.get(kind)
        ]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the seeds that are paired; those of A where seeds are not what pairs them."""
        return tuple(record["spec"]["seed"] for record in self.one)


def pair_by_seed(one: Sequence[Record], other: Sequence[Record]) -> Pair | None:
    """Return the trials of two settings that share a seed; of one trial each, those whatever their seeds."""
    if len(one) == len(other) == 1:
        return Pair((one[0],), (other[0],), by_seed=one[0]["spec"]["seed"] == other[0]["spec"]["seed"])
    mine, yours = ({record["spec"]["seed"]: record for record in side} for side in (one, other))
    common = sorted(mine.keys() & yours.keys())
    return Pair(tuple(mine[seed] for seed in common), tuple(yours[seed] for seed in common)) if common else None


def compare_scores(pair: Pair) -> list[ScoreComparison]:
    """Return the scores that the tables test and both sides have; without differences where measured on other data."""
    values = [Group((), side, is_baseline=False).scores for side in (pair.one, pair.other)]
    names = [name for own in values[0] for name in own]
    found: dict[str, ScoreComparison] = {}
    for column in (column for layout in TABLES for column in layout.columns(names)):
        pairs = [(mine[column.score], yours[column.score]) for mine, yours in zip(*values, strict=True)
                 if column.score in mine and column.score in yours]
        if pairs and column.tested and column.kind == "mean" and column.score not in found:
            found[column.score] = _score(column, pairs, compared=pair.is_measured_alike(column.score))
    tested = [score for score in found.values() if score.p is not None]
    adjusted = dict(zip((score.column.score for score in tested), holm([score.p or 0.0 for score in tested]),
                        strict=True))
    return [replace(score, adjusted=adjusted.get(name)) for name, score in found.items()]


def compare_scenes(pair: Pair, read: "Read") -> ScenesComparison | None:
    """Return PCK by scene; None where test data differ, a trial left no points, or a scene shows no point."""
    if not pair.is_comparable:
        return None
    known = [[table for record in side if (table := _points(record, read))] for side in (pair.one, pair.other)]
    if not len(known[0]) == len(known[1]) == len(pair.one):
        return None
    (hits, shown), (other_hits, other_shown) = map(_hits, known)
    if hits.shape != other_hits.shape or not (shown == other_shown).all() or not shown.sum(0).all():
        return None
    one, other = (own.sum(0) / shown.sum(0) for own in (hits, other_hits))
    by_pair = np.where(shown > 0, (other_hits - hits) / np.maximum(shown, 1), np.inf)
    usual = np.abs(by_pair - (other - one)).argmin(0)
    each = [SceneComparison(i, float(one[i]), float(other[i]), int(usual[i])) for i in range(len(one))]
    differences = other - one
    both = two_way_interval(other_hits - hits, shown) if min(hits.shape) > 1 else None
    return ScenesComparison(tuple(sorted(each, key=lambda scene: (scene.difference, scene.scene))),
                  mean_interval(differences.tolist()), float(sign_flip(differences)[0]), both)


def match_settings(one: Sequence[Group], other: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Return the settings of two sides that agree in all that varies inside either side, seeds aside.

    Where a side has several data or weights under one of these settings, those have to agree too.
    """
    specs = [[group.records[0]["spec"] for group in side] for side in (one, other)]
    keys = {key for own in specs for key in varying_settings(own)} - {"seed"}
    mine, yours = (_placed(side, sorted(keys)) for side in (one, other))
    return [pair for place, own in mine.items() for pair in _of_one_origin(own, yours.get(place, []))]


def _score(column: Column, pairs: Sequence[tuple[float, float]], *, compared: bool) -> ScoreComparison:
    one, other = [mine for mine, _ in pairs], [yours for _, yours in pairs]
    if not compared:
        return ScoreComparison(column, mean_interval(one), mean_interval(other), None)
    differences = [yours - mine for mine, yours in pairs]
    p = float(sign_flip(differences)[0]) if len(pairs) > 1 else None
    improvement = probability_of_improvement(other, one, column.better) if column.better and len(pairs) > 1 else None
    return ScoreComparison(column, mean_interval(one), mean_interval(other), mean_interval(differences), p, None,
                 effect_size(differences), improvement)


def _points(record: Record, read: "Read") -> "Columns | None":
    """Return a trial's points; None where it has none, as on data without keypoints."""
    points = read(record, "points") if "points.parquet" in (record.get("files") or {}) else {}
    return points if points.keys() >= POINTS and len(points["scene"]) else None


def _hits(tables: "Sequence[Columns]") -> "tuple[NDArray[Any], NDArray[Any]]":
    """Return, trials x scenes, how many visible points are within ALPHA and how many there are."""
    rows = []
    for points in tables:
        seen = np.asarray(points["visible"], dtype=bool)
        near = seen & (points["error"] <= ALPHA * points["normaliser"])
        scene = np.asarray(points["scene"])
        rows.append((np.bincount(scene, near), np.bincount(scene, seen)))
    longest = max(len(own) for pair in rows for own in pair)
    hits, shown = (np.stack([np.pad(own, (0, longest - len(own))) for own in side])
                   for side in zip(*rows, strict=True))
    return hits, shown


def _placed(groups: Sequence[Group], keys: Sequence[str]) -> dict[str, list[Group]]:
    """Return groups by their values of some settings."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        found.setdefault(canonical([group.records[0]["spec"].get(key) for key in keys]), []).append(group)
    return found


def _of_one_origin(one: Sequence[Group], other: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Return the pairs of two sides' groups of one setting that agree in data and weights, if a side has several."""
    prints = [[_prints(group.records[0]) for group in side] for side in (one, other)]
    kinds = [kind for kind in ORIGINS if any(len({own.get(kind) for own in side}) > 1 for side in prints)]
    return [(mine, yours) for mine, own in zip(one, prints[0], strict=True)
            for yours, its in zip(other, prints[1], strict=True)
            if all(own.get(kind) == its.get(kind) for kind in kinds)]


def _prints(record: Record) -> Mapping[str, Any]:
    return record.get("fingerprints") or {}


def _alone(record: Record) -> Group:
    return Group((), (record,), is_baseline=False)

"""What a row is made of before it is written: which trial gave which value, for settings and references alike."""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.report.tables.columns import Column, Layout, Reference
from harness.report.tables.rows import Group, Record

# How far the same reference may lie apart on two machines, as a share of it: another thread count moves it by less than
# 1e-6. A point that rounding puts on the other side of a threshold is more than this, and makes a row of its own.
AGREE = 1e-5

Values = tuple[float | None, ...]


@dataclass(frozen=True)
class Line:
    """A row's trials, one per seed, and for each column their values, None where a trial has none.

    ``members`` are the settings that it stands for: itself, or those that share a reference.
    """

    labels: tuple[str, ...]
    seeds: tuple[int, ...]
    trials: tuple[str, ...]
    values: tuple[Values, ...]
    members: tuple[Group, ...]
    is_reference: bool = False
    by_seed: tuple[Mapping[int, float], ...] = field(init=False)

    def __post_init__(self) -> None:
        pairs = tuple({s: v for s, v in zip(self.seeds, own, strict=True) if v is not None} for own in self.values)
        object.__setattr__(self, "by_seed", pairs)

    @property
    def test_data(self) -> str:
        """Return what the scores were taken on."""
        return self.members[0].test_data

    @property
    def is_baseline(self) -> bool:
        """Return whether it is a setting that others are compared with."""
        return not self.is_reference and self.members[0].is_baseline


def lines_of(layout: Layout, columns: Sequence[Column], groups: Sequence[Group]) -> list[Line]:
    """Return a table's rows: a line for every setting, then those of the references."""
    own = [_setting(group, columns) for group in groups]
    return own + [line for reference in layout.references for line in _references(reference, columns, groups)]


def _setting(group: Group, columns: Sequence[Column]) -> Line:
    values = tuple(tuple(found.get(column.score) for found in group.scores) for column in columns)
    return Line(group.labels, _seeds(group.records), tuple(str(record["id"]) for record in group.records), values,
                (group,))


@dataclass
class _Part:
    """A reference as far as settings agree on it: by seed, the trial that it is read from and its values."""

    seeds: dict[int, tuple[str, Values]]
    members: list[Group]


def _references(reference: Reference, columns: Sequence[Column], groups: Sequence[Group]) -> list[Line]:
    """Return a reference's lines: one where all settings agree on it seed by seed, else one per part that does."""
    names = [reference.score(column.score) for column in columns]
    parts: list[_Part] = []
    near: dict[Any, list[_Part]] = {}
    for group in groups:
        own = _own(group, names)
        part = next((part for part in _candidates(near, group, own) if _agree(part.seeds, own)), None)
        if not own:
            continue
        if part is None:
            part = _Part({}, [])
            parts.append(part)
        part.members.append(group)
        for seed, found in own.items():
            if part.seeds.setdefault(seed, found) is found:
                for place in _places(found[1]):
                    near.setdefault((group.test_data, seed, place), []).append(part)
    every = _every(groups)
    return [_reference(reference, part, every) for part in parts]


def _own(group: Group, names: Sequence[str | None]) -> dict[int, tuple[str, Values]]:
    own = {}
    for record, scores in zip(group.records, group.scores, strict=True):
        values = tuple(scores.get(name) if name else None for name in names)
        if any(value is not None for value in values):
            own[record["spec"]["seed"]] = (str(record["id"]), values)
    return own


def _candidates(near: Mapping[Any, list[_Part]], group: Group, own: Mapping[int, tuple[str, Values]]) -> list[_Part]:
    """Return the parts that a setting may agree with, looked up so that many settings do not cost their square."""
    found = [part for seed, (_, values) in own.items() for part in near.get((group.test_data, seed, _at(values)), ())]
    return list({id(part): part for part in found}.values())


def _places(values: Values) -> Iterable[int]:
    return range(_at(values) - 1, _at(values) + 2)


def _at(values: Values) -> int:
    """Return a place on a scale where values that agree are no more than 1 apart."""
    size = abs(next(value for value in values if value is not None))
    return math.floor(math.log(size) / (2 * AGREE)) if size else -sys.maxsize


def _agree(one: Mapping[int, tuple[str, Values]], other: Mapping[int, tuple[str, Values]]) -> bool:
    """Return whether two settings have the same reference in the seeds that both have."""
    common = one.keys() & other.keys()
    return bool(common) and all(
        (a is None) == (b is None) and (a is None or b is None or math.isclose(a, b, rel_tol=AGREE))
        for seed in common
        for a, b in zip(one[seed][1], other[seed][1], strict=True)
    )


def labels_of(name: str, members: Sequence[Group], groups: Sequence[Group]) -> tuple[str, ...]:
    """Return the labels of a row that stands for some of the settings: only what tells these from the others."""
    return _labels(name, members, _every(groups))


def _every(groups: Sequence[Group]) -> list[set[str]]:
    return [set(texts) for texts in zip(*(group.labels for group in groups), strict=True)]


def _labels(name: str, members: Sequence[Group], every: Sequence[set[str]]) -> tuple[str, ...]:
    own = [list(dict.fromkeys(texts)) for texts in zip(*(member.labels for member in members), strict=True)]
    shown = ["" if len(texts) == len(other) else " / ".join(texts) for texts, other in zip(own, every, strict=True)]
    return (name + (f": {shown[0]}" if shown[0] else ""), *shown[1:])


def _reference(reference: Reference, part: _Part, every: Sequence[set[str]]) -> Line:
    labels = _labels(reference.label, part.members, every)
    seeds = tuple(part.seeds)
    values = tuple(zip(*(found for _, found in part.seeds.values()), strict=True))
    return Line(labels, seeds, tuple(trial for trial, _ in part.seeds.values()), values, tuple(part.members),
                is_reference=True)


def _seeds(records: Sequence[Record]) -> tuple[int, ...]:
    return tuple(record["spec"]["seed"] for record in records)

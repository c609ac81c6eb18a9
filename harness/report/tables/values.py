"""The values of a table row, per seed, before formatting; of settings and of references."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.report.tables.columns import Column, Reference, TableLayout
from harness.report.tables.rows import Group

# Relative tolerance for the same reference on two machines: another thread count changes it by less than 1e-6. A point
# that rounding moves across a threshold changes it by more, and makes a row of its own.
AGREE = 1e-5

Values = tuple[float | None, ...]


@dataclass(frozen=True)
class RowValues:
    """A row's trials, one per seed, and for each column their values, None for a trial without one.

    ``members`` are its settings: a single one, or those that share a reference.
    """

    labels: tuple[str, ...]
    seeds: tuple[int, ...]
    trials: tuple[str, ...]
    values: tuple[Values, ...]
    members: tuple[Group, ...]
    is_reference: bool = False
    by_seed: tuple[Mapping[int, float], ...] = field(init=False)

    def __post_init__(self) -> None:
        by_seed = tuple({seed: value for seed, value in zip(self.seeds, column, strict=True) if value is not None}
                        for column in self.values)
        object.__setattr__(self, "by_seed", by_seed)

    @property
    def test_data(self) -> str:
        """Return the identity of the test data."""
        return self.members[0].test_data

    @property
    def is_baseline(self) -> bool:
        """True if other settings are compared with this one."""
        return not self.is_reference and self.members[0].is_baseline


def row_values(layout: TableLayout, columns: Sequence[Column], groups: Sequence[Group]) -> list[RowValues]:
    """Return the values of a table's rows: settings first, then references."""
    settings = [_setting(group, columns) for group in groups]
    return settings + [row for reference in layout.references for row in _references(reference, columns, groups)]


def _setting(group: Group, columns: Sequence[Column]) -> RowValues:
    values = tuple(tuple(scores.get(column.score) for scores in group.scores) for column in columns)
    return RowValues(group.labels, tuple(record["spec"]["seed"] for record in group.records),
                     tuple(str(record["id"]) for record in group.records), values, (group,))


@dataclass
class _SharedReference:
    """A reference and the settings that agree on it; by seed a trial that has it and its values."""

    by_seed: dict[int, tuple[str, Values]]
    members: list[Group]


def _references(reference: Reference, columns: Sequence[Column], groups: Sequence[Group]) -> list[RowValues]:
    """Return a reference's rows: one if all settings agree on it seed by seed, else one per set that agrees."""
    names = [reference.score(column.score) for column in columns]
    shared: list[_SharedReference] = []
    index: dict[Any, list[_SharedReference]] = {}
    for group in groups:
        by_seed = _reference_values(group, names)
        if not by_seed:
            continue
        match = next((one for one in _candidates(index, group, by_seed) if _agree(one.by_seed, by_seed)), None)
        if match is None:
            match = _SharedReference({}, [])
            shared.append(match)
        match.members.append(group)
        for seed, item in by_seed.items():
            if match.by_seed.setdefault(seed, item) is item:
                for place in range(_bucket(item[1]) - 1, _bucket(item[1]) + 2):
                    index.setdefault((group.test_data, seed, place), []).append(match)
    all_labels = _label_sets(groups)
    return [RowValues(_labels(reference.label, one.members, all_labels), tuple(one.by_seed),
                      tuple(trial for trial, _ in one.by_seed.values()),
                      tuple(zip(*(values for _, values in one.by_seed.values()), strict=True)), tuple(one.members),
                      is_reference=True) for one in shared]


def _reference_values(group: Group, names: Sequence[str | None]) -> dict[int, tuple[str, Values]]:
    by_seed = {}
    for record, scores in zip(group.records, group.scores, strict=True):
        values = tuple(scores.get(name) if name else None for name in names)
        if any(value is not None for value in values):
            by_seed[record["spec"]["seed"]] = (str(record["id"]), values)
    return by_seed


def _candidates(index: Mapping[Any, list[_SharedReference]], group: Group, by_seed: Mapping[int, tuple[str, Values]]
                ) -> list[_SharedReference]:
    """Return the references that may agree with a setting's, by bucket: this keeps the cost linear in the settings."""
    near = [one for seed, (_, values) in by_seed.items()
            for one in index.get((group.test_data, seed, _bucket(values)), ())]
    return list({id(one): one for one in near}.values())


def _bucket(values: Values) -> int:
    """Return a whole number; those of values that agree are at most 1 apart."""
    size = abs(next(value for value in values if value is not None))
    return math.floor(math.log(size) / (2 * AGREE)) if size else -sys.maxsize


def _agree(one: Mapping[int, tuple[str, Values]], other: Mapping[int, tuple[str, Values]]) -> bool:
    """Return whether two settings have the same reference in their common seeds, at least one."""
    common = one.keys() & other.keys()
    return bool(common) and all(
        (a is None) == (b is None) and (a is None or b is None or math.isclose(a, b, rel_tol=AGREE))
        for seed in common
        for a, b in zip(one[seed][1], other[seed][1], strict=True)
    )


def labels_of(name: str, members: Sequence[Group], groups: Sequence[Group]) -> tuple[str, ...]:
    """Return the labels of a row for some of the settings: only those that distinguish these from the others."""
    return _labels(name, members, _label_sets(groups))


def _label_sets(groups: Sequence[Group]) -> list[set[str]]:
    return [set(texts) for texts in zip(*(group.labels for group in groups), strict=True)]


def _labels(name: str, members: Sequence[Group], all_labels: Sequence[set[str]]) -> tuple[str, ...]:
    labels = [list(dict.fromkeys(texts)) for texts in zip(*(member.labels for member in members), strict=True)]
    first, *rest = ["" if len(texts) == len(total) else " / ".join(texts)
                    for texts, total in zip(labels, all_labels, strict=True)]
    return (name + (f": {first}" if first else ""), *rest)

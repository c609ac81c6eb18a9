"""Groups trials into rows, equal in everything but the seed, and labels the rows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.config import dotted
from harness.config.setting_texts import ABSENT, canonical, texts_of, without
from harness.config.spec import ReportSpec
from harness.report.tables.columns import measured_by

Record = Mapping[str, Any]
ORIGINS = {"data": "data", "weights": "weights"}  # fingerprint -> column head, for rows that differ in it alone


@dataclass(frozen=True)
class Group:
    """The trials of one setting, one per seed, with the labels that distinguish it from the other rows."""

    labels: tuple[str, ...]
    records: tuple[Record, ...]
    is_baseline: bool
    heads: tuple[str, ...] = ()  # of the label columns, short
    keys: tuple[str, ...] = ()  # and the settings that they stand for, in full

    @property
    def name(self) -> str:
        """Return the setting's name in a text."""
        return row_name(self.heads, self.labels)

    @cached_property
    def scores(self) -> tuple[dict[str, float], ...]:
        """Return each record's finite scores and costs; a score replaces a cost of the same name."""
        both = ({**(record.get("cost") or {}), **(record.get("scores") or {})} for record in self.records)
        return tuple({name: float(value) for name, value in values.items()
                      if isinstance(value, int | float) and math.isfinite(value)} for values in both)

    @cached_property
    def test_data(self) -> str:
        """Return the identity of the test data; scores on different data are never compared."""
        spec, prints = self.records[0]["spec"], self.records[0].get("fingerprints") or {}
        return canonical([spec.get("data"), spec.get("test_scenes"), prints.get("data")])

    def measured_on(self, score: str) -> str:
        """Return the identity of a score's data: test data and, for generated views, scenes and noise levels."""
        spec, others = self.records[0]["spec"], measured_by(score)
        return canonical([self.test_data, *(spec.get(name) for name in others)]) if others else self.test_data


def row_name(heads: Sequence[str], labels: Sequence[str], joint: str = " ", *, is_reference: bool = False) -> str:
    """Return a row's name in a text: its label, or with several label columns ``head=label`` for each that it has."""
    if len(labels) < 2:
        return joint.join(filter(None, labels))
    named = [label if is_reference and i == 0 else f"{head}={label}"
             for i, (head, label) in enumerate(zip(heads, labels, strict=True)) if label not in ("", ABSENT)]
    return joint.join(named)


def setting(spec: Mapping[str, Any]) -> str:
    """Return a spec's canonical text without the seed."""
    return canonical({key: value for key, value in spec.items() if key != "seed"})


def group_records(records: Iterable[Record], report: ReportSpec) -> tuple[tuple[str, ...], tuple[Group, ...]]:
    """Return the heads of the label columns and the rows, in the records' order.

    Trials that differ in a setting, the seed aside, or in the fingerprints of data or weights are never averaged: they
    are different rows, and every setting that differs gets a label column, also without being in `rows`.
    """
    rows: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        rows.setdefault((setting(record["spec"]), canonical(record.get("fingerprints"))), []).append(record)
    first = [members[0] for members in rows.values()]
    specs = [record["spec"] for record in first]
    columns = _columns(specs, tuple(dict.fromkeys(report.rows)))
    keys = [path for path, _ in columns]
    heads = [_head(path, keys) for path in keys]
    labels = [list(column) for column in zip(*(texts for _, texts in columns), strict=True)] or [[] for _ in first]
    for key, head in ORIGINS.items():
        prints = [str((record.get("fingerprints") or {}).get(key, ABSENT)) for record in first]
        if len(set(prints)) > 1 and len({tuple(label) for label in labels}) < len(labels):
            heads.append(f"{head} fingerprint" if head in heads else head)
            keys.append(f"fingerprints.{key}")
            labels = [[*label, text[:8]] for label, text in zip(labels, prints, strict=True)]
    if not heads:
        heads = keys = ["experiment"]
        labels = [[str(record.get("experiment", ABSENT))] for record in first]
    groups = tuple(
        Group(tuple(label), tuple(members), bool(report.baseline) and is_baseline(members[0]["spec"], report.baseline),
              tuple(heads), tuple(keys))
        for label, members in zip(labels, rows.values(), strict=True)
    )
    return tuple(heads), groups


def is_baseline(spec: Mapping[str, Any], baseline: Mapping[str, Any]) -> bool:
    """Return whether a spec has the baseline's settings; a choice's name matches with any knobs."""
    return all(dotted.matches(dotted.get(spec, path), value) for path, value in baseline.items())


def varying_settings(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the settings in which specs differ, the seed last."""
    keys = dict.fromkeys(key for spec in specs for key in spec if key != "seed")
    return [key for key in keys if _differ([spec.get(key) for spec in specs])] + ["seed"]


def _columns(specs: Sequence[Mapping[str, Any]], requested: Sequence[str]) -> list[tuple[str, list[str]]]:
    columns = [(path, texts_of([dotted.get(spec, path) for spec in specs])) for path in requested]
    for key in dict.fromkeys(key for spec in specs for key in spec if key != "seed"):
        inner = [path.removeprefix(f"{key}.") for path in requested if path.startswith(f"{key}.")]
        rest = [without(spec.get(key), inner) for spec in specs]
        if key not in requested and _differ(rest):
            columns.append((key, texts_of(rest)))
    return columns


def _differ(values: Sequence[Any]) -> bool:
    """Return whether values differ; a list equals a tuple of the same items."""
    first = values[0] if values else None
    return any(value != first and canonical(value) != canonical(first) for value in values)


def _head(path: str, paths: Sequence[str]) -> str:
    """Return a short name of a setting, or its path if another of the paths has the same short name."""
    return _short(path) if [_short(other) for other in paths].count(_short(path)) == 1 else path


def _short(path: str) -> str:
    """Return the last part of a path; of a choice's name the choice, of a loss's knob the loss too."""
    if path.startswith("losses."):
        return path.removeprefix("losses.")
    return path.removesuffix(".name").rpartition(".")[2]


def describe_specs(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the differing settings of each spec as text, knobs included, to name trials without a row."""
    columns = [[f"{path}={text}" for text in texts_of([dotted.get(spec, path) for spec in specs])]
               for path in varying_settings(specs)]
    return [", ".join(texts) for texts in zip(*columns, strict=True)]

"""The inputs of a report: records, layout, plan; of one experiment or of several joined."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config.setting_texts import canonical
from harness.config.spec import ReportSpec
from harness.report.tables.build import Table, build
from harness.report.tables.empty import why_empty
from harness.report.tables.rows import Record

if TYPE_CHECKING:
    import numpy as np

Spec = Mapping[str, Any]
Columns = Mapping[str, "np.ndarray"]  # of a trial's file, by name
ReadFile = Callable[[Record, str], Columns]  # (record, "points") -> points.parquet


@dataclass(frozen=True)
class ReportInputs:
    """Records and layout of an experiment, and the specs of its planned (None if unknown) and running trials."""

    name: str
    records: tuple[Record, ...]
    layout: ReportSpec
    planned: tuple[Spec, ...] | None = None
    running: tuple[Spec, ...] = ()
    experiments: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The tables of an experiment, or of several joined, and all records of the inputs, by id.

    ``why_empty`` says why there is no table, "" where there is one.
    """

    name: str
    experiments: tuple[str, ...]
    tables: tuple[Table, ...]
    records: Mapping[str, Record]
    why_empty: str = ""


def make_report(inputs: ReportInputs) -> Report:
    """Return the report of the inputs; without tables if no trial has finished."""
    tables = build(inputs.records, inputs.layout, inputs.planned, inputs.running, inputs.remarks)
    records = {str(record["id"]): record for record in inputs.records}
    reason = "" if tables else why_empty(inputs.records, inputs.planned)
    return Report(inputs.name, inputs.experiments or (inputs.name,), tables, records, reason)


def join_inputs(parts: Sequence[ReportInputs]) -> ReportInputs:
    """Return several experiments as one: a setting that several of them ran is one row, and a trial counts once.

    Rows, columns and tests are those of all experiments. The baseline has the settings of all their baselines; if they
    name different values of one setting, there is no baseline, and a remark says so.
    """
    if len(parts) == 1:
        return parts[0]
    records: dict[str, Record] = {}
    twice = unlike = 0
    for record in (record for part in parts for record in part.records):
        first = records.get(str(record["id"]))
        if first is not None and first["status"] == record["status"] == "finished":
            twice += 1
            unlike += canonical(first.get("scores")) != canonical(record.get("scores"))
        if first is None or (first["status"] != "finished" and record["status"] == "finished"):
            records[str(record["id"])] = record
    baseline, remarks = _baseline(parts)
    remarks += [remark for part in parts for remark in part.remarks]
    if twice:
        differ = (f" Of {unlike} the experiments have different scores, and those of the experiment named first are "
                  "shown.") * (unlike > 0)
        remarks.append(f"{twice} trial{'s' * (twice > 1)} of several experiments at once; each counts once.{differ}")
    layout = ReportSpec(_union(part.layout.rows for part in parts), baseline,
                        _union(part.layout.columns for part in parts), _union(part.layout.tests for part in parts),
                        _union(part.layout.effects for part in parts),
                        tuple(figure for part in parts for figure in part.layout.published))
    return ReportInputs("+".join(part.name for part in parts), tuple(records.values()), layout, _planned(parts),
                tuple(spec for part in parts for spec in part.running), tuple(part.name for part in parts),
                tuple(remarks))


def _planned(parts: Sequence[ReportInputs]) -> tuple[Spec, ...] | None:
    """Return the plans of all parts, each setting once; the plan of a part without one is its records."""
    if all(part.planned is None for part in parts):
        return None
    specs = [spec for part in parts
             for spec in (part.planned if part.planned is not None else [record["spec"] for record in part.records])]
    return tuple({canonical(spec): spec for spec in specs}.values())


def _baseline(parts: Sequence[ReportInputs]) -> tuple[Mapping[str, Any], list[str]]:
    baseline: dict[str, Any] = {}
    for part in parts:
        for path, value in part.layout.baseline.items():
            if path in baseline and canonical(baseline[path]) != canonical(value):
                return {}, [f"The experiments name different baselines ({path}), so none is used."]
            baseline[path] = value
    return baseline, []


def _union(lists: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in lists for name in names))

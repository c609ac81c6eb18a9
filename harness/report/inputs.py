"""The inputs of a report: records, layout, plan; of one experiment or of several joined."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config.spec import ReportSpec
from harness.report.tables.build import Table, build
from harness.report.tables.rows import Record, canonical

if TYPE_CHECKING:
    import numpy as np

Spec = Mapping[str, Any]
Columns = Mapping[str, "np.ndarray"]  # of a trial's file, by name
ReadFile = Callable[[Record, str], Columns]  # (record, "points") -> points.parquet


@dataclass(frozen=True)
class Part:
    """An experiment's records, its layout, and what is planned (None where that is not known) and running now."""

    name: str
    records: tuple[Record, ...]
    layout: ReportSpec
    planned: tuple[Spec, ...] | None = None
    running: tuple[Spec, ...] = ()
    experiments: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The tables of an experiment, or of several joined, and every record that was looked at, by id."""

    name: str
    experiments: tuple[str, ...]
    tables: tuple[Table, ...]
    records: Mapping[str, Record]


def reported(part: Part) -> Report:
    """Return the report that a part's records can fill; without tables where no trial finished."""
    tables = build(part.records, part.layout, part.planned, part.running, part.remarks)
    return Report(part.name, part.experiments or (part.name,), tables, {str(each["id"]): each for each in part.records})


def joined(parts: Sequence[Part]) -> Part:
    """Return several experiments as one: a setting that several of them ran is one row, and a trial counts once.

    Rows, columns and tests are those that any of them asks for. Its baseline has to meet what each of them names;
    where they name different values of one setting there is none, and a remark says so.
    """
    if len(parts) == 1:
        return parts[0]
    records: dict[str, Record] = {}
    twice = unlike = 0
    for record in (record for part in parts for record in part.records):
        known = records.get(str(record["id"]))
        if known is not None and known["status"] == record["status"] == "finished":
            twice += 1
            unlike += canonical(known.get("scores")) != canonical(record.get("scores"))
        if known is None or (known["status"] != "finished" and record["status"] == "finished"):
            records[str(record["id"])] = record
    baseline, remarks = _baseline(parts)
    if twice:
        differ = (f" Of {unlike} the experiments have different scores, and those of the experiment named first are "
                  "shown.") * (unlike > 0)
        remarks.append(f"{twice} trial{'s' * (twice > 1)} of several experiments at once; each counts once.{differ}")
    layout = ReportSpec(_union(part.layout.rows for part in parts), baseline,
                        _union(part.layout.columns for part in parts), _union(part.layout.tests for part in parts),
                        _union(part.layout.effects for part in parts),
                        tuple(figure for part in parts for figure in part.layout.published))
    return Part("+".join(part.name for part in parts), tuple(records.values()), layout, _planned(parts),
                tuple(spec for part in parts for spec in part.running), tuple(part.name for part in parts),
                tuple(remarks))


def _planned(parts: Sequence[Part]) -> tuple[Spec, ...] | None:
    """Return what all parts plan, each setting once; a part without a plan plans what it recorded."""
    if all(part.planned is None for part in parts):
        return None
    specs = [spec for part in parts
             for spec in (part.planned if part.planned is not None else [record["spec"] for record in part.records])]
    return tuple({canonical(spec): spec for spec in specs}.values())


def _baseline(parts: Sequence[Part]) -> tuple[Mapping[str, Any], list[str]]:
    found: dict[str, Any] = {}
    for part in parts:
        for path, wanted in part.layout.baseline.items():
            if path in found and canonical(found[path]) != canonical(wanted):
                return {}, [f"The experiments name different baselines ({path}), so none is used."]
            found[path] = wanted
    return found, []


def _union(given: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in given for name in names))

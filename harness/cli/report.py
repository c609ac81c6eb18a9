"""Print the tables of recorded experiments and write them with figures and pages; check them, or say what changed."""

import argparse
import gc
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli._options import add_overrides, add_results, chosen, recorded, results_of
from harness.config.load import load, shipped
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.cli._report_files import Layout
    from harness.report.inputs import Part, Report

FORMATS = ("markdown", "latex", "csv", "json")
PAGE = "html"  # with the figures


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("experiments", nargs="*", metavar="experiment",
                        help="recorded names, as they were last run, or YAML files, as they stand now; several are "
                        "joined in one report (every recorded one, each by itself)")
    add_overrides(parser)
    add_results(parser)
    parser.add_argument("--format", choices=(*FORMATS, PAGE),
                        help="print this format alone and write nothing; html: write the page and the figures alone")
    parser.add_argument("--output", metavar="DIR", help="write to this folder, as <name>.md, .tex, .csv, .json, .html "
                        "and <name>-figures/, instead of beside the records, and print where")
    parser.add_argument("--verify", action="store_true",
                        help="take every cell again from the trials' own files; exit code 1 where one differs")
    parser.add_argument("--diff", metavar="OLD.json", type=Path,
                        help="say what changed since that report was written, and why; exit code 1 where any did")


def main(args: argparse.Namespace) -> int:
    """Print, write, check or compare; 1 where an experiment has no finished trial to show."""
    collecting = gc.isenabled()
    gc.disable()  # a report is millions of objects that stay, and no cycles; looking for some takes a tenth of the time
    try:
        return _report(args)
    finally:
        if collecting:
            gc.enable()


def _report(args: argparse.Namespace) -> int:
    results = results_of(args)
    old = _old(args.diff)
    names = args.experiments or (list(old["experiments"]) if old else [])
    reports = _reports(results, names, args.overrides)
    for report in reports:
        if not report.tables:
            print(f"{report.name}: no trial has finished", file=sys.stderr)
    if old:
        return _show_changes(old, reports)
    if args.verify:
        return max(_verify(results, report) for report in reports)
    _show(args, results, [report for report in reports if report.tables])
    return 0 if all(report.tables for report in reports) else 1


def _reports(results: Path, names: list[str], overrides: list[str]) -> "list[Report]":
    """Return one report of the named experiments, or one of each that was recorded."""
    from harness.report.inputs import joined, reported

    parts = [_part(results, given, overrides) for given in dict.fromkeys(names) or chosen(results, ())]
    return [reported(joined(parts))] if names else [reported(part) for part in parts]


def _part(results: Path, given: str, overrides: list[str]) -> "Part":
    from harness.cli import _report_files
    from harness.store.store import Store

    name, layout = _resolve(results, given, overrides)
    return _report_files.part_of(Store(results, name), layout, lambda text: print(f"warning: {text}", file=sys.stderr))


def _show(args: argparse.Namespace, results: Path, reports: "list[Report]") -> None:
    """Print reports, write them, or both, and say where."""
    from harness.cli import _report_files
    from harness.report.writers.document import document

    if args.output or args.format == PAGE:
        forms = (args.format,) if args.format else (*FORMATS, PAGE)
        for report in reports:
            folder, stem = (Path(args.output), report.name) if args.output else _beside(results, report)
            for path in _written(results, report, folder, stem, forms):
                print(path)
    elif args.format == "json":
        print(json.dumps({report.name: document(report) for report in reports}, indent=1))
    elif args.format == "csv" and len(reports) > 1:
        raise UsageError("--format csv: one report at a time goes to stdout; name it, or write all with --output DIR")
    else:
        texts = [_titled(report.name, _report_files.rendered(report.tables, args.format or "markdown"), args.format,
                         len(reports)) for report in reports]
        print("\n".join(texts), end="", flush=True)
        for report in reports if not args.format else ():
            folder, stem = _beside(results, report)
            paths = _written(results, report, folder, stem, (*FORMATS, PAGE))
            figures = sorted({path.parent for path in paths if path.suffix == ".pdf"})
            print(f"page     {folder / stem}.html", *(f"figures  {found}{os.sep}" for found in figures),
                  sep="\n", file=sys.stderr)


def _beside(results: Path, report: "Report") -> tuple[Path, str]:
    """Return where a report lies beside the records: folder and name without suffix."""
    return results / report.name, "report"


def _written(results: Path, report: "Report", folder: Path, stem: str, forms: tuple[str, ...]) -> list[Path]:
    """Write a report and return its files, those of its settings' pages aside."""
    from harness.cli import _report_files, _report_pages

    try:
        paths = _report_files.write(report, folder, stem, [form for form in forms if form != PAGE])
        return paths + (_report_pages.write(results, report, folder, stem) if PAGE in forms else [])
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: cannot be written: {error.strerror}") from error


def _titled(name: str, text: str, form: str | None, count: int) -> str:
    """Return a report under its experiment's name, where there are several."""
    if count == 1:
        return text
    return f"% {name}\n{text}" if form == "latex" else f"## {name}\n\n{text}"


def _verify(results: Path, report: "Report") -> int:
    """Say whether every cell comes out again from the trials' files."""
    from harness.cli._trial_files import reader
    from harness.report.verify.verify import verify

    done = verify(report, reader(results))
    for wrong in done.wrong:
        trial = f", trial {wrong.trial}" if wrong.trial else ""
        print(f"{report.name}: {wrong.cell}: {wrong.what} is {wrong.printed}, found {wrong.found}{trial}")
    came = f"{len(done.wrong)} numbers differ in" if done.wrong else "every number comes out again in"
    scores = done.scores
    drawn = f"; {done.drawn} p stand as printed, for their sign patterns were drawn" if done.drawn else ""
    print(f"{report.name}: {came} {done.cells} cells: {scores['points']} scores taken from points.parquet, "
          f"{scores['scenes']} from scenes.parquet, {scores['curve']} from curve.parquet, {scores['record']} as "
          f"recorded, for no file holds them in finer form{drawn}")
    return 1 if done.wrong or not report.tables else 0


def _old(path: Path | None) -> "Mapping[str, Any] | None":
    """Return the report that was written before, None where none is asked for."""
    from harness.report.writers.document import parsed

    if path is None:
        return None
    try:
        return parsed(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: cannot be read: it is not UTF-8") from None


def _resolve(results: Path, given: str, overrides: list[str]) -> "tuple[str, Layout]":
    """Return the experiment's name and layout: as last run for a recorded name, as it stands now for a file."""
    from harness.cli import _report_files
    from harness.config.spec import ReportSpec
    from harness.store.store import Store

    if given in recorded(results) and not overrides:
        known = _report_files.noted(Store(results, given))
        if known is not None:
            return given, known
        if given not in shipped():
            return given, _report_files.Layout(ReportSpec(), None)
    elif given not in shipped() and not Path(given).suffix:
        chosen(results, [given])
    experiment = load(given, overrides)
    if experiment.name not in recorded(results):
        raise UsageError(f"{results}: no records of {experiment.name!r}; `harness run {given}` makes them")
    return experiment.name, _report_files.layout_of(experiment)


def _show_changes(old: "Mapping[str, Any]", reports: "list[Report]") -> int:
    """Say what changed since a report, row by row, and why."""
    from harness.report.compare.since import changes
    from harness.report.writers.document import document

    (report,) = reports
    found = changes(old, document(report), report.records)
    for change in found:
        print(f"{change.table} | {change.setting}")
        for number in change.numbers:
            print(f"  {number}")
        for reason in change.reasons:
            print(f"  because: {reason}")
    print(f"{report.name}: {len(found)} rows changed" if found else f"{report.name}: nothing changed")
    return 1 if found else 0

"""The command `report`: prints and writes tables, figures and pages; checks them or compares them with old ones."""

import argparse
import gc
import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.cli import _report_files
from harness.cli._options import (
    add_overrides,
    add_results,
    chosen_experiments,
    demand_no_file,
    recorded_experiments,
    results_of,
)
from harness.cli._trial_files import reader
from harness.config.load import load, shipped
from harness.config.spec import ReportSpec
from harness.errors import SOME_FAILED, UsageError
from harness.report.inputs import Report, ReportInputs, join_inputs, make_report
from harness.report.writers.document import parse, to_document
from harness.store.store import Store

FORMATS, PAGE = tuple(_report_files.SUFFIXES), _report_files.PAGE


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("experiments", nargs="*", metavar="experiment",
                        help="recorded names, as they were last run, or YAML files, as they are now; several are "
                        "joined in one report (every recorded one, each by itself)")
    add_overrides(parser)
    add_results(parser)
    parser.add_argument("--format", choices=(*FORMATS, PAGE),
                        help="print this format alone and write nothing; html: write the page and the figures alone")
    parser.add_argument("--output", metavar="DIR", help="write to this folder, as <name>.md, .tex, .csv, .json, .html "
                        "and <name>-figures/, instead of beside the records, and print the paths")
    parser.add_argument("--verify", action="store_true",
                        help="recompute every cell from the trials' own files; exit code 1 if one differs")
    parser.add_argument("--diff", metavar="OLD.json", type=Path,
                        help="show the changes since that report was written, with reasons; exit code 1 if any")


def main(args: argparse.Namespace) -> int:
    """Print, write, check or compare; return 1 if an experiment has no finished trial."""
    collecting = gc.isenabled()
    gc.disable()  # a report has millions of objects and no cycles; searching for cycles takes a tenth of the time
    try:
        return _report(args)
    finally:
        if collecting:
            gc.enable()


def _report(args: argparse.Namespace) -> int:
    results = results_of(args)
    if args.output:
        demand_no_file(Path(args.output), "--output")
    old = _old(args.diff)
    names = args.experiments or (list(old["experiments"]) if old else [])
    untrusted: list[str] = []
    reports = _reports(results, names, args.overrides, untrusted)
    for report in reports:
        if not report.tables:
            print(f"{report.name}: {report.why_empty}", file=sys.stderr)
    if old:
        return _show_changes(old, reports)
    if args.verify:
        code = max(_verify(results, report) for report in reports)
        if untrusted:
            print(f"{len(untrusted)} records could not be checked and are in no table; see the warnings")
        return SOME_FAILED if untrusted else code
    _show(args, results, [report for report in reports if report.tables])
    return 0 if all(report.tables for report in reports) else 1


def _reports(results: Path, names: list[str], overrides: list[str], untrusted: list[str]) -> list[Report]:
    """Return one report of all named experiments, or without names one of each recorded experiment.

    Records that are damaged are named on stderr, and added to ``untrusted``.
    """
    chosen = dict.fromkeys(names) or chosen_experiments(results, ())
    parts = [_part(results, name, overrides, untrusted) for name in chosen]
    return [make_report(join_inputs(parts))] if names else [make_report(part) for part in parts]


def _part(results: Path, name: str, overrides: list[str], untrusted: list[str]) -> ReportInputs:
    def warn(text: str, count: int) -> None:
        untrusted.extend([text] * count)
        print(f"warning: {text}", file=sys.stderr)

    name, layout = _resolve(results, name, overrides)
    return _report_files.read_part(Store(results, name), layout, warn)


def _show(args: argparse.Namespace, results: Path, reports: list[Report]) -> None:
    """Print reports, write them, or both, and print the files' locations."""
    if args.output or args.format == PAGE:
        forms = (args.format,) if args.format else (*FORMATS, PAGE)
        for report in reports:
            folder, stem = (Path(args.output), report.name) if args.output else _beside(results, report)
            for path in _written(results, report, folder, stem, forms):
                print(path)
    elif args.format == "json":
        print(json.dumps({report.name: to_document(report) for report in reports}, indent=1))
    elif args.format == "csv" and len(reports) > 1:
        raise UsageError("--format csv: one report at a time goes to stdout; name it, or write all with --output DIR")
    else:
        form = args.format or "markdown"
        texts = [_titled(report.name, _report_files.render_tables(report, form), form, len(reports))
                 for report in reports]
        print("\n".join(texts), end="", flush=True)
        for report in reports if not args.format else ():
            folder, stem = _beside(results, report)
            paths = _written(results, report, folder, stem, (*FORMATS, PAGE))
            figures = sorted({path.parent for path in paths if path.suffix == ".pdf"})
            print(f"page     {folder / stem}.html", *(f"figures  {path}{os.sep}" for path in figures),
                  sep="\n", file=sys.stderr)


def _beside(results: Path, report: Report) -> tuple[Path, str]:
    """Return the folder and the file name without suffix of a report beside its records."""
    return results / report.name, "report"


def _written(results: Path, report: Report, folder: Path, stem: str, forms: tuple[str, ...]) -> list[Path]:
    from harness.cli._report_pages import write_report

    return write_report(results, report, folder, stem, forms)


def _titled(name: str, text: str, form: str, count: int) -> str:
    """Return a report's text, with a title if there are several reports."""
    if count == 1:
        return text
    return f"% {name}\n{text}" if form == "latex" else f"## {name}\n\n{text}"


def _verify(results: Path, report: Report) -> int:
    """Recompute every cell from the trials' files and print the mismatches; return 1 if there are any."""
    from harness.report.verify.verify import verify

    checked = verify(report, reader(results))
    for wrong in checked.mismatches:
        trial = f", trial {wrong.trial}" if wrong.trial else ""
        print(f"{report.name}: {wrong.cell}: {wrong.what} is {wrong.printed}, found {wrong.recomputed}{trial}")
    outcome = f"{len(checked.mismatches)} numbers differ in" if checked.mismatches else "every number is confirmed in"
    scores = checked.scores
    sampled = f"; {checked.sampled_p} p not recomputed, since their sign patterns were drawn at random"
    print(f"{report.name}: {outcome} {checked.cells} cells: {scores['points']} scores recomputed from points.parquet, "
          f"{scores['scenes']} from scenes.parquet, {scores['curve']} from curve.parquet; {scores['record']} scores "
          f"copied from the records, since no file holds their parts{sampled if checked.sampled_p else ''}")
    return 1 if checked.mismatches or not report.tables else 0


def _old(path: Path | None) -> Mapping[str, Any] | None:
    """Return the older report of --diff, None without that flag."""
    if path is None:
        return None
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: cannot be read: it is not UTF-8") from None


def _resolve(results: Path, name: str, overrides: list[str]) -> tuple[str, _report_files.ReportLayout]:
    """Return an experiment's name and layout: for a recorded name as it was last run, for a file as the file is now."""
    if name in recorded_experiments(results) and not overrides:
        layout = _report_files.read_layout(Store(results, name))
        if layout is not None:
            return name, layout
        if name not in shipped():
            return name, _report_files.ReportLayout(ReportSpec(), None)
    elif name not in shipped() and not Path(name).suffix:
        chosen_experiments(results, [name])
    experiment = load(name, overrides)
    if experiment.name not in recorded_experiments(results):
        raise UsageError(f"{results}: no records of {experiment.name!r}; `harness run {shlex.quote(name)}` makes them")
    return experiment.name, _report_files.layout_of(experiment)


def _show_changes(old: Mapping[str, Any], reports: list[Report]) -> int:
    """Print the changes since an older report, row by row, with their reasons; return 1 if there are any."""
    from harness.report.compare.since import changes, version_changes

    (report,) = reports
    document = to_document(report)
    row_changes = changes(old, document, report.records)
    for line in version_changes(old, document):
        print(line)
    for change in row_changes:
        print(f"{change.table} | {change.setting}")
        for number in change.numbers:
            print(f"  {number}")
        for reason in change.reasons:
            print(f"  because: {reason}")
    print(f"{report.name}: {len(row_changes)} rows changed" if row_changes else f"{report.name}: nothing changed")
    return 1 if row_changes else 0

"""Print the tables of recorded experiments, or write them to a folder."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness import config
from harness.commands._shared import add_overrides, add_results, chosen, recorded, results_of
from harness.plugins import UsageError

if TYPE_CHECKING:
    from harness.commands._tables import Layout


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("experiments", nargs="*", metavar="experiment",
                        help="recorded names, as they were last run, or YAML files, as they stand now (all recorded)")
    add_overrides(parser)
    add_results(parser)
    parser.add_argument("--format", choices=("markdown", "latex", "json"), help="format (markdown; to a folder, all)")
    parser.add_argument("--output", metavar="DIR", help="write <name>.md, .tex and .json there instead")


def main(args: argparse.Namespace) -> int:
    """Print or write the tables; 1 where an experiment has no finished trial to show."""
    from harness.commands import _tables
    from harness.report.tables import Table, to_json
    from harness.store import Store

    results = results_of(args)
    shown: dict[str, tuple[Table, ...]] = {}
    for given in args.experiments or chosen(results, ()):
        name, layout = _resolve(results, given, args.overrides)
        store = Store(results, name)
        for trial, problem in store.unreadable().items():
            print(f"warning: {store.path(trial)} is not trusted: {problem}", file=sys.stderr)
        shown[name] = _tables.tables_of(store, layout)
        if not shown[name]:
            print(f"{name}: no trial has finished", file=sys.stderr)
    if args.output:
        forms = (args.format,) if args.format else tuple(_tables.SUFFIXES)
        for name, tables in shown.items():
            for path in _tables.write(tables, Path(args.output), name, forms) if tables else ():
                print(path)
    elif args.format == "json":
        print(json.dumps({name: to_json(tables) for name, tables in shown.items()}, indent=1))
    else:
        texts = [_titled(name, _tables.rendered(tables, args.format or "markdown"), args.format, len(shown))
                 for name, tables in shown.items() if tables]
        print("\n".join(texts), end="")
    return 0 if all(shown.values()) else 1


def _titled(name: str, text: str, form: str | None, count: int) -> str:
    """Return a report under its experiment's name, where there are several."""
    if count == 1:
        return text
    return f"% {name}\n{text}" if form == "latex" else f"## {name}\n\n{text}"


def _resolve(results: Path, given: str, overrides: list[str]) -> "tuple[str, Layout]":
    """Return the experiment's name and layout: as last run for a recorded name, as it stands now for a file."""
    from harness.commands import _tables
    from harness.spec import ReportSpec
    from harness.store import Store

    if given in recorded(results) and not overrides:
        known = _tables.noted(Store(results, given))
        if known is not None:
            return given, known
        if given not in config.shipped():
            return given, _tables.Layout(ReportSpec(), None)
    elif given not in config.shipped() and not Path(given).suffix:
        chosen(results, [given])
    experiment = config.load(given, overrides)
    if experiment.name not in recorded(results):
        raise UsageError(f"{results}: no records of {experiment.name!r}; `harness run {given}` makes them")
    return experiment.name, _tables.layout_of(experiment)

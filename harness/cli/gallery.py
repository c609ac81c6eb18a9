"""The command `gallery`: writes a page of the same scenes for every setting, and a folder for each trial."""

import argparse
import sys
from pathlib import Path

from harness.cli import _evolution, _gallery_files
from harness.cli._options import add_results, chosen_experiments, results_of
from harness.config.spec import RESULTS_VERSION
from harness.errors import SOME_FAILED, UsageError
from harness.report.evolution.files import FOLDER, NUMBERS
from harness.store.store import Store

SCENES = 4


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("experiment", help="the name of a recorded experiment")
    add_results(parser)
    parser.add_argument("--scenes", type=int, default=SCENES, metavar="N", help=f"test scenes in a row ({SCENES})")
    parser.add_argument("--evolution", action="store_true",
                        help="first make the evolution of every finished trial that has none; takes a minute each")
    parser.add_argument("--output", type=Path, metavar="DIR", help="the gallery's folder (gallery/ beside the records)")


def main(args: argparse.Namespace) -> int:
    """Write what changed and print where the page is; return 1 if an evolution could not be made."""
    results = results_of(args)
    if not 1 <= args.scenes <= 100:
        raise UsageError(f"--scenes {args.scenes}: expected 1 to 100")
    (name,) = chosen_experiments(results, [args.experiment])
    store = Store(results, name)
    records, unreadable = store.survey()
    records = [record for record in records if record.get("results_version") == RESULTS_VERSION]
    code = _make_evolutions(store, records) if args.evolution else 0
    for trial, problem in unreadable.items():
        print(f"warning: {store.path(trial)} is not trusted: {problem}", file=sys.stderr)
    made = _gallery_files.write_gallery(store, records, args.output or store.folder / "gallery", args.scenes)
    print(f"gallery  {made.page}")
    print(f"         {made.trials} trial{'s' * (made.trials != 1)}: {made.written} folders written, "
          f"{made.removed} removed, {made.trials - made.written} unchanged")
    return code


def _make_evolutions(store: Store, records: list[_gallery_files.Record]) -> int:
    """Make every missing evolution; return SOME_FAILED if one could not be made, which is said."""
    code = 0
    due = [record for record in records if record["status"] == "finished"
           and not (store.path(record["id"]) / FOLDER / NUMBERS).is_file()]
    for number, record in enumerate(due, 1):
        print(f"evolution {number} of {len(due)}: {record['id']}", file=sys.stderr)
        try:
            code = _evolution.show(store, record, 0, None, as_json=False) or code
        except UsageError as error:
            print(f"warning: {error}", file=sys.stderr)
            code = SOME_FAILED
    return code

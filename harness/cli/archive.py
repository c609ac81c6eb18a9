"""The command `archive`: packs an experiment's folder with its report into one file for another machine."""

import argparse
import os
import shlex
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from harness.cli._options import add_results, chosen_experiments, results_of
from harness.cli._report_files import PAGE, SUFFIXES, build_report, read_layout
from harness.config.spec import ReportSpec
from harness.errors import OK, UsageError
from harness.report.layout import ReportLayout
from harness.store.store import Store

FORMS = (".tar.gz", ".tgz", ".zip")
LOCAL = ("lock.json", "heartbeat.json", "mlflow.pending", "set_aside")  # of this machine and this moment
LOCAL_LOGS = "worker-*.log"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("name", help="a recorded experiment")
    parser.add_argument("--output", metavar="FILE", type=Path, help=f"the file, {', '.join(FORMS)} (NAME.tar.gz here)")
    add_results(parser)


def main(args: argparse.Namespace) -> int:
    """Write the report, pack the folder, and print the file's path; an existing file is not overwritten."""
    results = results_of(args)
    (name,) = chosen_experiments(results, [args.name])
    target = args.output or Path(f"{name}.tar.gz")
    if not target.name.endswith(FORMS):
        raise UsageError(f"--output {target}: expected a name that ends in {', '.join(FORMS)}")
    if target.exists():
        raise UsageError(f"{target}: exists already, and is left as it is; choose another name with --output")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent}: there is no such folder")
    store = Store(results, name)
    report = build_report(store, read_layout(store) or ReportLayout(ReportSpec(), None))
    if report.tables:
        from harness.cli._report_pages import write_report

        write_report(results, report, store.folder, "report", (*SUFFIXES, PAGE))
    else:
        print(f"warning: without a report: {report.why_empty}", file=sys.stderr)
    count = _pack(store.folder, target)
    print(target)
    how = f"python -m zipfile -e {shlex.quote(target.name)} results" if target.suffix == ".zip" else (
        f"tar -xf {shlex.quote(target.name)} -C results")
    print(f"{count} files, {target.stat().st_size / 1e6:.1f} MB; elsewhere: mkdir -p results; {how}; python -m harness "
          f"report {name}", file=sys.stderr)
    return OK


def _pack(folder: Path, target: Path) -> int:
    """Write the files of a folder, below its name, to an archive; return their number."""
    draft, files = target.with_name(f".{target.name}.new"), list(_files(folder))
    try:
        if target.suffix == ".zip":
            with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as packed:
                for path in files:
                    packed.write(path, folder.name / path.relative_to(folder))
        else:
            with tarfile.open(draft, "w:gz") as packed_tar:
                for path in files:
                    packed_tar.add(path, folder.name / path.relative_to(folder), recursive=False)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return len(files)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of an experiment's folder, without those of a run that goes on."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in LOCAL)
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and name not in LOCAL and not path.match(LOCAL_LOGS):
                yield path

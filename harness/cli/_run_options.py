"""Flags, exit code and summary that `run` and `sweep` share: retries, time limits and probes."""

import argparse
import math
import re
import shlex
import signal
import sys
from pathlib import Path

from harness import registry
from harness.cli._progress_lines import duration
from harness.config.grid import Cells
from harness.config.search_block import resolve_params
from harness.config.spec import Experiment, TrialSpec
from harness.errors import INTERRUPTED, OK, SOME_FAILED, TERMINATED
from harness.runner.coordinator import Policy, Summary
from harness.store.store import Store

TAG = re.compile(r"[\w.-]{1,250}(=.{0,5000})?")  # within MLflow's limits


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Declare --retries, --timeout, --max-failures, --probe and --snapshots."""
    group = parser.add_argument_group("failures")
    group.add_argument("--retries", type=_count, default=2, metavar="N",
                       help="how often a trial that broke or took too long is tried again (2)")
    group.add_argument("--timeout", type=_seconds, metavar="SECONDS",
                       help="longest time of one attempt at a trial, loading included (none)")
    group.add_argument("--max-failures", type=_count, default=5, metavar="N",
                       help="stop after so many failed trials in a row; 0 never does (5)")
    parser.add_argument("--probe", type=_count, default=0, metavar="N",
                        help="show PCK on the fit split every N steps; costs time, changes no result")
    parser.add_argument("--snapshots", type=_count, default=0, metavar="N",
                        help="keep the tokens of every N-th step, for `show --evolution`; changes no result")


def add_note(parser: argparse.ArgumentParser) -> None:
    """Declare --note and --tag."""
    group = parser.add_argument_group("remarks, kept with every trial that this call records; they change no id")
    group.add_argument("--note", default="", metavar="TEXT", help="a text for the record, MLflow and the report")
    group.add_argument("--tag", action="append", default=[], type=_tag, metavar="NAME[=VALUE]", dest="tags",
                       help="a tag to filter by in MLflow; may be repeated")


def policy_of(args: argparse.Namespace) -> Policy:
    """Return the policy of the flags."""
    return Policy(args.retries, args.timeout, args.max_failures, args.probe, args.snapshots)


def exit_code(summary: Summary) -> int:
    """Return 143 if it was terminated, 75 if it was interrupted or cut short, 1 if trials failed, 0 otherwise."""
    if summary.signal in (signal.SIGTERM, signal.SIGHUP):
        return TERMINATED
    if summary.signal or summary.interrupted:
        return INTERRUPTED
    if summary.failed or summary.stopped:
        return SOME_FAILED
    return INTERRUPTED if summary.left else OK


def remarks(experiment: Experiment) -> list[str]:
    """Return what to say before a run: fusions that cannot act, and points of a dataset outside their image."""
    choices = {repr(spec.data): spec.data for spec in examples(experiment)}
    datasets = [registry.build("data", choice.name, choice.knobs) for choice in choices.values()]
    lines = [str(remark) for dataset in datasets for remark in dataset.remarks]
    return [experiment.remark, *lines] if experiment.remark else lines


def examples(experiment: Experiment) -> list[TrialSpec]:
    """Return trials that together hold every value of every setting; of a search, those at the corners of its space."""
    search, trials = experiment.search, experiment.trials
    if search is not None:
        return [resolve_params(search, params) for params in search.space.corners(every=True)]
    return list(trials.examples() if isinstance(trials, Cells) else trials)


def print_summary(store: Store, summary: Summary, files: list[Path], *, forced: bool = False) -> None:
    """Print counts and file locations of a run on stderr; ``forced`` if finished trials were run again."""
    parts = {"done": summary.done, "done before": summary.skipped, "failed": summary.failed, "pruned": summary.pruned,
             "interrupted": summary.interrupted, "not started": summary.left}
    counts = ", ".join(f"{count} {status}" for status, count in parts.items() if count)
    lines = [f"{summary.planned} planned: {counts}; {duration(summary.seconds)}", f"records  {store.trials}/"]
    if summary.stopped:
        lines.insert(0, f"stopped: {summary.stopped}")
    if files:
        lines.append(f"tables   {', '.join(map(str, files))}")
    lines.append(f"MLflow   python -m harness ui --results {shlex.quote(str(store.results))}")
    if summary.failed or summary.interrupted or summary.left:
        same = "The same command without --force" if forced else "The same command"
        lines.append(f"{same} resumes: what is finished is not run again.")
    print("\n".join(lines), file=sys.stderr)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; expected a whole number, 0 or more")
    return int(text)


def _tag(text: str) -> str:
    if not TAG.fullmatch(text) or text.startswith(("mlflow.", "harness.")):
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; expected NAME or NAME=VALUE, with letters, digits, "
                                         "'-', '_' and '.' in NAME, which begins with neither mlflow. nor harness.")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; expected seconds above 0")
    return seconds

"""Compare samplers on an experiment's search: is what they find after so many trials better than what chance finds?

    python scripts/compare_samplers.py                                   # tpe and random on the shipped sweep, 6 seeds
    python scripts/compare_samplers.py hunt.yaml --samplers tpe cmaes random --seeds 8 --trials 40

Each sampler seed is a search of its own, in a folder of its own, with the same number of trials; with the same seed all
samplers begin with the same random settings. A trial that another search has finished is taken from there. The same
command goes on where it was stopped. Settings are chosen by the objective; the test split is only told.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from _samplers import studies  # noqa: E402
from _samplers.verdict import Difference, Measured, differences, measured, verdict  # noqa: E402

from harness.cli._executor_options import add_executor, executor_of  # noqa: E402
from harness.cli._options import add_overrides, add_results, results_of  # noqa: E402
from harness.cli._progress import progress  # noqa: E402
from harness.cli._progress_lines import duration  # noqa: E402
from harness.cli._run_options import exit_code  # noqa: E402
from harness.cli._search_output import markdown_table  # noqa: E402
from harness.config.spec import Experiment  # noqa: E402
from harness.errors import OK, SOME_FAILED, USAGE, UsageError  # noqa: E402
from harness.report.statistics import Interval, mean_interval  # noqa: E402
from harness.search.study import search_of  # noqa: E402
from harness.store.store import Store  # noqa: E402


def main(argv: list[str] | None = None) -> int:
    """Run what is not done yet and print the comparison; the exit code is that of `sweep`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", nargs="?", default="sweep", help="an experiment with a 'search' block (sweep)")
    parser.add_argument("--samplers", nargs="+", default=["tpe", "random"], metavar="NAME",
                        help="the first one is compared with each of the others (tpe random)")
    parser.add_argument("--seeds", type=int, default=6, metavar="N", help="sampler seeds, from 0 (6)")
    parser.add_argument("--trials", type=int, metavar="N", help="trials of each search (the experiment's budget)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_overrides(parser)
    add_results(parser)
    add_executor(parser)
    given = parser.parse_args(argv)
    if len(set(given.samplers)) != len(given.samplers) or len(given.samplers) < 2 or given.seeds < 2:
        parser.error("a comparison needs two different samplers and two seeds, or more")
    try:
        return _compare(given)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE


def _compare(given: argparse.Namespace) -> int:
    results = results_of(given) / "samplers"
    planned = {(sampler, seed): studies.prepared(given.experiment, given.overrides, sampler, seed, given.trials)
               for seed in range(given.seeds) for sampler in given.samplers}
    stores = {(sampler, seed): Store(studies.folder(results, sampler, seed), experiment.name)
              for (sampler, seed), experiment in planned.items()}
    courses: dict[str, list[studies.Course]] = {sampler: [] for sampler in given.samplers}
    code = OK
    with executor_of(given, next(iter(stores.values()))) as executor:
        for (sampler, seed), experiment in planned.items():
            print(f"{sampler}, sampler seed {seed}", file=sys.stderr)
            store = stores[sampler, seed]
            others = [other for other in stores.values() if other is not store]
            with progress(lambda: None) as shown:
                summary, course, reused = studies.run(experiment, store, others, executor, shown)
            print(f"{sampler}, sampler seed {seed}: {summary.done} trials run, {summary.skipped} done before, {reused} "
                  f"taken from other searches, {summary.failed} failed; {duration(summary.seconds)}", file=sys.stderr)
            if summary.signal or summary.interrupted:
                print("The same command goes on.", file=sys.stderr)
                return exit_code(summary)
            courses[sampler].append(course)
            code = max(code, SOME_FAILED if summary.failed else OK)
    _show(next(iter(planned.values())), measured(courses), courses, as_json=given.json)
    return code


def _show(experiment: Experiment, found: Mapping[str, Measured], courses: Mapping[str, list[studies.Course]], *,
          as_json: bool) -> None:
    """Print each sampler's figures, how the first differs from each of the others, and the verdicts."""
    first, *others = found
    pairs = {name: dict(zip(others, differences(getattr(found[first], name),
                                                [getattr(found[other], name) for other in others]), strict=True))
             for name in ("final", "area")}
    objective, trials = search_of(experiment).objectives[0], len(courses[first][0].best)
    better = 1 if objective.direction == "maximize" else -1
    words = [verdict(first, other, pairs["final"][other], better, len(others)) for other in others]
    if as_json:
        print(json.dumps({"experiment": experiment.name, "objective": asdict(objective), "trials": trials,
                          "samplers": {name: {**asdict(figures), "best_so_far": [each.best for each in courses[name]]}
                                       for name, figures in found.items()},
                          "differences": {name: {f"{first} - {other}": asdict(each) for other, each in row.items()}
                                          for name, row in pairs.items()}, "verdicts": words}, indent=1))
        return
    heads = ["sampler", "best at the end", "mean of best so far", f"test {studies.TEST} of the best"]
    rows = [[name, _words(mean_interval(each.final)), _words(mean_interval(each.area)),
             _words(mean_interval(each.test)) if each.test else ""] for name, each in found.items()]
    rows += [[f"{first} - {other}", *(_difference(pairs[name][other]) for name in ("final", "area")), ""]
             for other in others]
    print(f"### {objective.score} ({objective.direction}) after {trials} trials, {len(courses[first])} sampler seeds\n")
    print(markdown_table(heads, rows))
    print("\nMean and half width of the 95% t interval over sampler seeds; differences are paired by seed, p flips "
          "their signs. The verdict is on the best at the end; the test split was not looked at by any search.\n")
    print("\n".join(words))


def _words(found: Interval) -> str:
    return f"{found.mean:.4f}" + ("" if found.half_width is None else f"±{found.half_width:.4f}")


def _difference(found: Difference) -> str:
    return f"{found.interval.mean:+.4f}±{found.interval.half_width:.4f} (p={found.p:.3f})"


if __name__ == "__main__":
    sys.exit(main())

"""Compare samplers on an experiment's search: do they find better settings than random search in as many trials?

    python scripts/compare_samplers.py                                   # tpe and random on sweep_keypoints, 6 seeds
    python scripts/compare_samplers.py hunt.yaml --samplers tpe cmaes random --seeds 8 --trials 40

Each sampler seed is a separate search, in its own folder, with the same number of trials. With the same seed all
samplers start from the same random settings. A trial that another search has finished is copied from there. The same
command continues an interrupted comparison. Settings are chosen by the objective; test scores are only printed.
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
    """Run the searches that are left and print the comparison; return the exit code of `sweep`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", nargs="?", default="sweep_keypoints",
                        help="an experiment with a 'search' block (sweep_keypoints)")
    parser.add_argument("--samplers", nargs="+", default=["tpe", "random"], metavar="NAME",
                        help="the first one is compared with each of the others (tpe random)")
    parser.add_argument("--seeds", type=int, default=6, metavar="N", help="sampler seeds, from 0 (6)")
    parser.add_argument("--trials", type=int, metavar="N", help="trials of each search (the experiment's budget)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_overrides(parser)
    add_results(parser)
    add_executor(parser)
    args = parser.parse_args(argv)
    if len(set(args.samplers)) != len(args.samplers) or len(args.samplers) < 2 or args.seeds < 2:
        parser.error("a comparison needs two different samplers and two seeds, or more")
    try:
        return _compare(args)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE


def _compare(args: argparse.Namespace) -> int:
    results = results_of(args) / "samplers"
    experiments = {(sampler, seed): studies.prepare(args.experiment, args.overrides, sampler, seed, args.trials)
                   for seed in range(args.seeds) for sampler in args.samplers}
    stores = {(sampler, seed): Store(studies.folder(results, sampler, seed), experiment.name)
              for (sampler, seed), experiment in experiments.items()}
    courses: dict[str, list[studies.Course]] = {sampler: [] for sampler in args.samplers}
    code = OK
    with executor_of(args, next(iter(stores.values()))) as executor:
        for (sampler, seed), experiment in experiments.items():
            print(f"{sampler}, sampler seed {seed}", file=sys.stderr)
            store = stores[sampler, seed]
            others = [other for other in stores.values() if other is not store]
            with progress(lambda: None) as screen:
                summary, course, reused = studies.run(experiment, store, others, executor, screen)
            print(f"{sampler}, sampler seed {seed}: {summary.done} trials run, {summary.skipped} done before, {reused} "
                  f"taken from other searches, {summary.failed} failed; {duration(summary.seconds)}", file=sys.stderr)
            if summary.signal or summary.interrupted:
                print("The same command goes on.", file=sys.stderr)
                return exit_code(summary)
            courses[sampler].append(course)
            code = max(code, SOME_FAILED if summary.failed else OK)
    _show(next(iter(experiments.values())), measured(courses), courses, as_json=args.json)
    return code


def _show(experiment: Experiment, figures: Mapping[str, Measured], courses: Mapping[str, list[studies.Course]], *,
          as_json: bool) -> None:
    """Print each sampler's figures, the first one's difference from each other one, and the verdicts."""
    first, *others = figures
    pairs = {name: dict(zip(others, differences(getattr(figures[first], name),
                                                [getattr(figures[other], name) for other in others]), strict=True))
             for name in ("final", "area")}
    objective, trials = search_of(experiment).objectives[0], len(courses[first][0].best)
    better = 1 if objective.direction == "maximize" else -1
    words = [verdict(first, other, pairs["final"][other], better, len(others)) for other in others]
    if as_json:
        samplers = {name: {**asdict(values), "best_so_far": [course.best for course in courses[name]]}
                    for name, values in figures.items()}
        against = {name: {f"{first} - {other}": asdict(difference) for other, difference in row.items()}
                   for name, row in pairs.items()}
        print(json.dumps({"experiment": experiment.name, "objective": asdict(objective), "trials": trials,
                          "samplers": samplers, "differences": against, "verdicts": words}, indent=1))
        return
    heads = ["sampler", "best at the end", "mean of best so far", f"test {studies.TEST} of the best"]
    rows = [[name, _format_interval(mean_interval(values.final)), _format_interval(mean_interval(values.area)),
             _format_interval(mean_interval(values.test)) if values.test else ""] for name, values in figures.items()]
    rows += [[f"{first} - {other}", *(_format_difference(pairs[name][other]) for name in ("final", "area")), ""]
             for other in others]
    print(f"### {objective.score} ({objective.direction}) after {trials} trials, {len(courses[first])} sampler seeds\n")
    print(markdown_table(heads, rows))
    print("\nMean and half width of the 95% t interval over sampler seeds; differences are paired by seed, p flips "
          "their signs. The verdict is on the best at the end; the test split was not looked at by any search.\n")
    print("\n".join(words))


def _format_interval(interval: Interval) -> str:
    return f"{interval.mean:.4f}" + ("" if interval.half_width is None else f"±{interval.half_width:.4f}")


def _format_difference(difference: Difference) -> str:
    interval = difference.interval
    return f"{interval.mean:+.4f}±{interval.half_width:.4f} (p={difference.p:.3f})"


if __name__ == "__main__":
    sys.exit(main())

"""Measure what the method and the harness cost, and print it beside its targets.

    python scripts/bench.py                      # every section but full_size
    python scripts/bench.py step selection       # some of them
    python scripts/bench.py --quick --output results/bench.json --compare results/reference/bench.json

Within one run the compared cases take turns, so that ratios hold on a busy machine; absolute times need an idle one.
The exit code is 1 if a target is missed, or if --compare names something that became slower.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

# By section: the figure that has a target, and True if the target is an upper limit.
SECTIONS = {"coordinator": ("median_ms", True), "workers": ("ratio", False), "memory": ("grown_mb", True),
            "plan": ("processor_seconds", True), "report": ("many", True), "data": ("seconds", True),
            # Sections of paired cases; what they promise and do not keep is listed in "missed".
            **dict.fromkeys(("step", "capture", "fusion", "selection", "reading", "trial", "start", "scaling",
                            "full_size"),
                            ("missed", True))}
ON_REQUEST = ("full_size",)
# Sizes of --quick: all of it takes less than 5 minutes on two cores.
QUICK: dict[str, dict[str, Any]] = {
    "coordinator": {"count": 10, "rounds": 1}, "workers": {"trials": 4, "rounds": 1, "steps": 20},
    "memory": {"count": 60}, "plan": {"seeds": 1, "rounds": 1}, "report": {"records": 400},
    "data": {"photographs": 30_000}, "step": {"size": "quick", "tokens": (100,), "rounds": 3},
    "capture": {"size": "quick", "rounds": 7}, "fusion": {"size": "quick", "rounds": 3}, "selection": {"rounds": 3},
    "scaling": {"size": "quick", "rounds": 2},
    "reading": {"scenes": 16, "copies": 2, "rounds": 3}, "start": {"rounds": 2},
    "trial": {"rounds": 2, "steps": 5, "optimise_scenes": 8, "fit_scenes": 8, "test_scenes": 8, "view_scenes": 1},
}


def main(argv: list[str] | None = None) -> int:
    """Measure the named sections and print them; return 1 if a target is missed or a case became slower."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"some of {', '.join(SECTIONS)} (all)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="small sizes, under 5 minutes on two idle cores; targets, "
                        "which are for full sizes, do not count")
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="write figures, machine and versions; "
                        "and FILE.md")
    parser.add_argument("--compare", type=Path, metavar="OLD.json", help="name what became slower since that --output")
    args = parser.parse_args(argv)
    unknown = [name for name in args.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"unknown section {unknown[0]!r}; choices: {', '.join(SECTIONS)}")
    old = _read(parser, args.compare) if args.compare else None
    figures: dict[str, Any] = {}
    for name in args.sections or [name for name in SECTIONS if name not in ON_REQUEST]:
        sizes = QUICK.get(name, {}) if args.quick else {}
        figures[name] = importlib.import_module(f"_bench.{name}").measure(**sizes)
        if not args.json:
            _print(name, figures[name], quick=args.quick)
    if args.json:
        print(json.dumps(figures, indent=1))
    if args.output:
        from _bench import _document

        _document.write(args.output, _document.document(figures, quick=args.quick))
    slower = [] if old is None else _compared(old, figures)
    return 0 if all(met(name, values, quick=args.quick) for name, values in figures.items()) and not slower else 1


def met(name: str, figures: Mapping[str, Any], *, quick: bool = False) -> bool:
    """Return True if a section meets its targets; those for full sizes say nothing about quick ones."""
    if "groups" in figures or quick:
        return not figures.get("missed")
    if "targets" in figures:
        values = {**figures["many"], **figures}
        return all(values.get(key, 0.0) <= limit for key, limit in figures["targets"].items())
    key, is_upper_limit = SECTIONS[name]
    return bool(figures[key] <= figures["target"] if is_upper_limit else figures[key] >= figures["target"])


def _print(name: str, figures: Mapping[str, Any], *, quick: bool) -> None:
    """Print a line, and a table for each group of paired cases."""
    rest = {key: value for key, value in figures.items() if key != "groups"}
    print(f"{name:<12} {'ok' if met(name, figures, quick=quick) else 'MISSED':<7} {json.dumps(rest)}", flush=True)
    if "groups" in figures:
        from _bench._document import table

        for title, group in figures["groups"].items():
            print("\n".join([f"  {title}", *(f"    {line}" for line in table(group))]), flush=True)


def _read(parser: argparse.ArgumentParser, path: Path) -> dict[str, Any]:
    """Return a file that --output wrote."""
    try:
        old = json.loads(path.read_text())
        return dict(old["sections"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        parser.error(f"--compare {path}: {getattr(error, 'strerror', None) or 'no file of bench.py --output'}")


def _compared(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Print and return what became slower; name on stderr what cannot be compared."""
    from _bench import _compare

    for case in _compare.unshared(old, new):
        print(f"not compared, the old run lacks it: {case}", file=sys.stderr)
    slower = _compare.worse(old, new)
    for line in slower:
        print(line, file=sys.stderr)
    return slower


if __name__ == "__main__":
    sys.exit(main())

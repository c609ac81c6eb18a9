"""Measure the overhead of the harness, and print it beside its targets.

    python scripts/bench.py                      # every section
    python scripts/bench.py coordinator plan     # some of them

Within one run the compared cases take turns, so that ratios hold on a busy machine; absolute times need an idle one.
The exit code is 1 if a target is missed.
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
            "plan": ("processor_seconds", True), "report": ("many", True), "data": ("seconds", True)}


def main(argv: list[str] | None = None) -> int:
    """Measure the named sections and print a line each; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"some of {', '.join(SECTIONS)} (all)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    unknown = [name for name in args.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"unknown section {unknown[0]!r}; choices: {', '.join(SECTIONS)}")
    figures: dict[str, Any] = {}
    for name in args.sections or SECTIONS:
        figures[name] = importlib.import_module(f"_bench.{name}").measure()
        if not args.json:
            mark = "ok" if met(name, figures[name]) else "MISSED"
            print(f"{name:<12} {mark:<7} {json.dumps(figures[name])}", flush=True)
    if args.json:
        print(json.dumps(figures, indent=1))
    return 0 if all(met(name, values) for name, values in figures.items()) else 1


def met(name: str, figures: Mapping[str, Any]) -> bool:
    """Return True if a section meets its targets."""
    if "targets" in figures:
        values = {**figures["many"], **figures}
        return all(values.get(key, 0.0) <= limit for key, limit in figures["targets"].items())
    key, is_upper_limit = SECTIONS[name]
    return bool(figures[key] <= figures["target"] if is_upper_limit else figures[key] >= figures["target"])


if __name__ == "__main__":
    sys.exit(main())

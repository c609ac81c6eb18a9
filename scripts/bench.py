"""Measure what the harness itself costs, and print it beside its targets.

    python scripts/bench.py                      # every section
    python scripts/bench.py coordinator plan     # some of them

What is compared takes turns within one run, so that the ratios hold on a machine that does other things too; absolute
times need a quiet one. Ends with 1 when a target is missed.
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

# Which figure of a section has the target, and whether it must stay below it.
SECTIONS = {"coordinator": ("median_ms", True), "workers": ("ratio", False), "memory": ("grown_mb", True),
            "plan": ("processor_seconds", True), "report": ("many", True), "data": ("seconds", True)}


def main(argv: list[str] | None = None) -> int:
    """Measure the sections asked for and print a line each; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"some of {', '.join(SECTIONS)} (all)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(argv)
    unknown = [name for name in given.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"unknown section {unknown[0]!r}; choices: {', '.join(SECTIONS)}")
    found: dict[str, Any] = {}
    for name in given.sections or SECTIONS:
        found[name] = importlib.import_module(f"_bench.{name}").measure()
        if not given.json:
            print(f"{name:<12} {'ok' if met(name, found[name]) else 'MISSED':<7} {json.dumps(found[name])}", flush=True)
    if given.json:
        print(json.dumps(found, indent=1))
    return 0 if all(met(name, values) for name, values in found.items()) else 1


def met(name: str, found: Mapping[str, Any]) -> bool:
    """Return whether a section meets its targets."""
    if "targets" in found:
        return all(found.get(key, found["many"].get(key, 0.0)) <= limit for key, limit in found["targets"].items())
    figure, below = SECTIONS[name]
    return bool(found[figure] <= found["target"] if below else found[figure] >= found["target"])


if __name__ == "__main__":
    sys.exit(main())

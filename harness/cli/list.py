"""The command `list`: shows every kind, variant and knob, one line each, and the trial's own knobs."""

import argparse
import json
from textwrap import wrap
from typing import Any

from harness.config.load import question, shipped
from harness.config.spec import TrialSpec
from harness.errors import UsageError, nearest
from harness.registry import KINDS, Knob, knobs_of, variants

WIDTH = 100  # columns of the longest line
GROUPS = (*KINDS, "trial", "experiments")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("kind", nargs="?", help=f"only this one: {', '.join(GROUPS)}")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    """Print the catalogue."""
    if args.kind is not None and args.kind not in GROUPS:
        raise UsageError(f"unknown kind {args.kind!r}{nearest(args.kind, GROUPS)}")
    groups = {name: _group(name) for name in ((args.kind,) if args.kind else GROUPS)}
    if args.json:
        print(json.dumps(groups, indent=2, default=str))
        return 0
    for name, entries in groups.items():
        print(name)
        for entry in entries:
            print(_aligned(f"  {entry['name']:<24}", entry["summary"], 27))
            for knob in entry["knobs"]:
                declared = _aligned(f"    {knob['name']:<22}", f"{knob['default']!r} ({knob['domain']})", 27)
                print(_aligned(declared, knob["meaning"], 56))
    return 0


def _aligned(head: str, text: str, column: int) -> str:
    """Return the text in a column of its own beside the last line of the head, or below it, within WIDTH."""
    lines = wrap(text, WIDTH - column, break_on_hyphens=False) or [""]
    last = head.rpartition("\n")[2]
    first = lines.pop(0) if len(last) < column else ""
    beside = f"{head}{' ' * (column - len(last))}{first}" if first else head
    return "\n".join([beside.rstrip(), *(" " * column + line for line in lines)])


def _group(name: str) -> list[dict[str, Any]]:
    if name == "trial":
        return [{"name": "trial", "summary": "settings of every trial", "knobs": _knobs(knobs_of(TrialSpec))}]
    if name == "experiments":
        return [{"name": stem, "summary": question(stem), "knobs": []} for stem in shipped()]
    return [{"name": v.name, "summary": v.summary, "knobs": _knobs(v.knobs)} for v in variants(name)]


def _knobs(knobs: tuple[Knob, ...]) -> list[dict[str, Any]]:
    return [{"name": k.name, "default": _plain(k.default), "domain": k.domain, "meaning": k.meaning} for k in knobs]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value

"""Damage inputs at random and run commands on them: one line and exit code 0, 1, 2 or 75 is all that may come of it.

    python scripts/fuzz.py                                  # 10,000 inputs, all subjects in turn
    python scripts/fuzz.py --count 500 --subject record
    python scripts/fuzz.py --subject record --seed 71       # one input again, by the number that was printed

Each input is drawn from its number alone, so that a failure can be repeated. Make a test of each.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from _fuzz.check import timed  # noqa: E402
from _fuzz.subjects import SUBJECTS  # noqa: E402


def main(argv: list[str] | None = None) -> int:
    """Run the inputs; print the exit codes by subject and every broken promise; 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="number of inputs (10000)")
    parser.add_argument("--subject", action="append", choices=tuple(SUBJECTS), help="only these (all)")
    parser.add_argument("--seed", type=int, help="run the one input of this number")
    parser.add_argument("--first", type=int, default=0, help="number of the first input (0)")
    args = parser.parse_args(argv)
    names = args.subject or list(SUBJECTS)
    codes: Counter[tuple[str, int]] = Counter()
    broken, slowest = 0, (0.0, "")
    numbers = [args.seed] if args.seed is not None else range(args.first, args.first + args.count)
    for number in numbers:
        name = names[number % len(names)] if args.seed is None else names[0]
        outcome, seconds = timed(SUBJECTS[name], number)
        codes[name, outcome.code] += 1
        slowest = max(slowest, (seconds, f"--subject {name} --seed {number}"))
        if outcome.broken:
            broken += 1
            print(f"--subject {name} --seed {number}: harness {' '.join(outcome.command)!r}: {outcome.broken}",
                  flush=True)
    for (name, code), count in sorted(codes.items()):
        print(f"{name}: exit code {code}: {count}")
    print(f"{sum(codes.values())} inputs, {broken} broke a promise; slowest {slowest[0]:.1f} s ({slowest[1]})")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

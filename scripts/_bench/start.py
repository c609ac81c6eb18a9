"""The start of every command, in processor time and memory, beside an interpreter that does nothing.

``--help`` shows what a command costs before it knows what to do; `list`, `plan` and `status` also run for real.
"""

import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from _bench._commands import run
from _bench._turns import paired
from harness.__main__ import COMMANDS


def measure(commands: Sequence[str] = tuple(COMMANDS), rounds: int = 5) -> dict[str, Any]:
    """Return the time and memory of each command."""
    with tempfile.TemporaryDirectory(prefix="bench-start-") as results:
        harness = [sys.executable, "-m", "harness"]
        cases = {"bare interpreter": [sys.executable, "-c", "pass"],
                 **{f"{name} --help": [*harness, name, "--help"] for name in commands},
                 "list": [*harness, "list"], "plan quick": [*harness, "plan", "quick", "--results", results],
                 "status": [*harness, "status", "--results", results]}
        found = [{name: run(command) for name, command in cases.items()} for _ in range(rounds)]
    seconds = {name: [one[name]["cpu_seconds"] for one in found] for name in cases}
    return {"groups": {"commands": paired("bare interpreter", seconds,
                                          {name: found[0][name]["megabytes"] for name in cases})}}

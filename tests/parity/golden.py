"""Golden cases: what the reference systems' own code returned, and how close to it each case asks to be.

The folder is tests/golden, or what HARNESS_GOLDEN names; its cases.json says all about shapes, constants and
tolerances. A module of this folder restates a case with the harness's own functions under ``@covers(its name)``, and
`test_golden` runs every case that the folder holds.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

FOLDER = Path(os.environ.get("HARNESS_GOLDEN") or Path(__file__).parents[1] / "golden")
INDEX: dict[str, Any] = json.loads((FOLDER / "cases.json").read_text("utf-8"))
ENTRIES = {entry["name"]: entry for entry in INDEX["cases"]}
CHECKS: dict[str, Callable[["Case"], None]] = {}


@dataclass
class Case:
    """One case's constants, tolerance and arrays; it remembers which outputs were compared."""

    name: str
    constants: dict[str, Any]
    tolerance: dict[str, Any]
    arrays: dict[str, Tensor]
    weights: str = ""
    done: set[str] = field(default_factory=set)

    def __getitem__(self, name: str) -> Tensor:
        return self.arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def names(self, prefix: str) -> list[str]:
        return sorted(name for name in self.arrays if name.startswith(prefix))

    def check(self, found: Tensor, name: str, *, atol: float | None = None, rtol: float | None = None) -> None:
        """Assert that a tensor equals the array within the case's tolerance, or a narrower one; integers exactly."""
        self.done.add(name)
        expected = self.arrays[name]
        exact = not expected.is_floating_point()
        limits = {"atol": self.tolerance["atol"] if atol is None else atol,
                  "rtol": self.tolerance["rtol"] if rtol is None else rtol}
        if exact:
            limits = {"atol": 0, "rtol": 0}
        torch.testing.assert_close(found if exact else found.to(expected.dtype), expected, check_dtype=exact, **limits,
                                   msg=lambda text: f"{self.name} {name}: {text}")

    def check_set(self, found: Tensor, name: str) -> None:
        """Assert that the rows of a tensor are those of the array, in any order."""
        self.done.add(name)
        assert sorted(found.tolist()) == sorted(self.arrays[name].tolist()), f"{self.name} {name}"

    def leave(self, *names: str, why: str) -> None:
        """Name outputs that the harness has no counterpart of, and why."""
        assert why
        self.done.update(name for name in names if name in self)

    def unread(self) -> list[str]:
        return sorted({name for name in self.arrays if name.startswith("out.")} - self.done)


def case(name: str) -> Case:
    entry = ENTRIES[name]
    arrays = load_file(FOLDER / entry["file"])
    return Case(name, entry["constants"], entry["tolerance"], arrays, entry.get("weights", ""))


def covers(*names: str) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Register a function as the restatement of these cases."""

    def register(function: Callable[[Case], None]) -> Callable[[Case], None]:
        for name in names:
            assert name not in CHECKS, f"{name} is covered twice"
            CHECKS[name] = function
        return function

    return register


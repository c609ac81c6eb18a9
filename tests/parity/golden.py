"""Read a golden case and compare with it, as its entry in cases.json says."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

FOLDER = Path(os.environ.get("HARNESS_GOLDEN", Path(__file__).parents[1] / "golden"))


@dataclass(frozen=True)
class Case:
    name: str
    constants: dict[str, object]
    tolerance: dict[str, float]
    arrays: dict[str, Tensor]

    def __getitem__(self, name: str) -> Tensor:
        return self.arrays[name]

    def check(self, found: Tensor, name: str) -> None:
        """Assert that a tensor equals the array within the case's tolerance; integers exactly."""
        expected = self.arrays[name]
        exact = not expected.is_floating_point()
        atol, rtol = (0.0, 0.0) if exact else (self.tolerance["atol"], self.tolerance["rtol"])
        torch.testing.assert_close(found, expected, atol=atol, rtol=rtol, check_dtype=exact)


def case(name: str) -> Case:
    entry = next(c for c in json.loads((FOLDER / "cases.json").read_text())["cases"] if c["name"] == name)
    return Case(name, entry["constants"], entry["tolerance"], load_file(FOLDER / entry["file"]))

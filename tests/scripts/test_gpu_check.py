"""The GPU check, on a machine without a GPU: the CPU agrees with itself, and what differs is named."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

import gpu_check

SCORES = {"a": dict.fromkeys(gpu_check.LIMITS, 0.5), "b": dict.fromkeys(gpu_check.LIMITS, 0.25)}


def test_differences_beyond_a_limit_are_named(capsys):
    assert gpu_check.check("x", SCORES, SCORES)
    other = {**SCORES, "b": {**SCORES["b"], "pck@0.1": 0.40}}
    assert not gpu_check.check("x", SCORES, other)
    assert "x: pck@0.1 differs by 0.15, at most 0.1: TOO LARGE" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="the trials differ"):
        gpu_check.check("x", SCORES, {"a": SCORES["a"]})


def test_the_cpu_agrees_with_itself(capsys, monkeypatch):
    small = ["--set", "trial.steps=2", "--set", "trial.test_scenes=4", "--set", "trial.fit_scenes=4",
             "--set", "trial.optimise_scenes=2", "--set", "trial.view_scenes=1", "--set", "trial.tokens=16"]
    monkeypatch.setattr(gpu_check, "EXPERIMENT", (*gpu_check.EXPERIMENT, *small))
    assert gpu_check.main(["--no-bench"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.endswith("ok")]) == 2 * len(gpu_check.LIMITS)

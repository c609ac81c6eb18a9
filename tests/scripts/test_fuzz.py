"""The fuzzer: 500 damaged inputs keep the promises, and the checks see a promise that is broken."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import fuzz
from _fuzz import check as checks
from _fuzz.subjects import SUBJECTS

EACH = 56  # of nine subjects


@pytest.mark.parametrize("subject", SUBJECTS)
def test_damaged_inputs_end_in_one_line(subject, capsys):
    code = fuzz.main(["--subject", subject, "--count", str(EACH)])
    shown = capsys.readouterr().out
    assert f"{EACH} inputs, 0 broke a promise" in shown, shown
    assert code == 0


@pytest.mark.parametrize(("behaviour", "promise"), [
    (lambda: 70, "exit code 70"),
    (lambda: print("Traceback (most recent call last)") or 0, "a traceback"),
    (lambda: Path("input/new").write_text("x") and 0, "a file outside results/ was changed"),
    (lambda: Path("results").mkdir() or (Path("results/new").write_text("x") and 2), ""),
])
def test_a_broken_promise_is_named(behaviour, promise, monkeypatch):
    monkeypatch.setattr(checks, "main", lambda command: behaviour())
    outcome = checks.check(lambda folder, draw: ["list"], 1)
    assert outcome.broken.partition(":")[0] == promise


def test_an_input_that_takes_too_long_is_named(monkeypatch):
    monkeypatch.setattr(checks, "LONGEST_S", 1)

    def hang(command):
        while True:
            pass

    monkeypatch.setattr(checks, "main", hang)
    assert checks.check(lambda folder, draw: ["list"], 1).code == 124


def test_a_subject_is_the_same_for_the_same_number(tmp_path):
    import random

    for name, subject in SUBJECTS.items():
        commands = []
        for run in range(2):
            folder = tmp_path / f"{name}{run}"
            (folder / "input").mkdir(parents=True)
            commands.append((subject(folder, random.Random(5)), checks._contents(folder)))
        assert commands[0] == commands[1], name

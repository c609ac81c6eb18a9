"""The report section of the bench measures what it says."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from _bench import report

from harness.__main__ import main
from harness.store.store import Store


def test_made_up_records_are_whole_and_fill_every_table(tmp_path, capsys):
    report.fill(tmp_path, 40)
    records, unreadable = Store(tmp_path, "many").survey()
    assert (len(records), unreadable) == (40, {})
    assert main(["report", "many", "--results", str(tmp_path), "--format", "markdown"]) == 0
    text = capsys.readouterr().out
    assert text.count("\n### ") + text.startswith("### ") == 7
    assert "n = 10 seeds" in text


def test_a_commands_time_and_memory_are_measured():
    block = b"x" * 200_000_000  # of this process: no part of the command's memory
    found = report.run([sys.executable, "-c", "import time; block = b'x' * 50_000_000; time.sleep(0.2)"])
    assert found["seconds"] >= 0.2
    assert 50 <= found["megabytes"] < 100 < len(block) / 2**20


def test_a_command_that_fails_is_no_measurement():
    with pytest.raises(RuntimeError, match="ended with 3"):
        report.run([sys.executable, "-c", "raise SystemExit(3)"])

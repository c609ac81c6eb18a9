import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import bench
from _bench import coordinator, data, memory, plan

from harness.runner.executors.inline import Inline
from harness.store.mlflow_tracker import Tracker


def test_a_section_meets_its_target_or_misses_it():
    assert bench.met("coordinator", {"median_ms": 50.0, "target": 50.0})
    assert not bench.met("coordinator", {"median_ms": 50.1, "target": 50.0})
    assert bench.met("workers", {"ratio": 1.9, "target": 1.8})
    assert not bench.met("workers", {"ratio": 1.7, "target": 1.8})
    report = {"many": {"seconds": 12.0, "megabytes": 600.0}, "growth": 1.0,
              "targets": {"seconds": 20.0, "megabytes": 1000.0, "growth": 1.3}}
    assert bench.met("report", report)
    assert not bench.met("report", {**report, "growth": 1.4})
    assert not bench.met("report", {**report, "many": {"seconds": 21.0, "megabytes": 600.0}})


def test_every_section_is_a_file_and_every_file_a_section():
    files = Path(bench.__file__).parent.joinpath("_bench").glob("[!_]*.py")
    assert {file.stem for file in files} == set(bench.SECTIONS)
    assert set(bench.QUICK) == set(bench.SECTIONS) - set(bench.ON_REQUEST)


def test_an_unknown_section_is_refused(capsys):
    with pytest.raises(SystemExit) as left:
        bench.main(["speed"])
    assert left.value.code == 2
    assert "unknown section 'speed'; choices: coordinator" in capsys.readouterr().err


def test_sections_are_printed_and_a_missed_target_ends_with_1(capsys, monkeypatch):
    monkeypatch.setattr(plan, "measure", lambda: {"processor_seconds": 6.0, "target": 5.0})
    assert bench.main(["plan"]) == 1
    assert capsys.readouterr().out.split()[:2] == ["plan", "MISSED"]
    assert bench.main(["plan", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"plan": {"processor_seconds": 6.0, "target": 5.0}}


def test_the_gap_is_from_one_trials_end_to_the_next_ones_beginning(tmp_path):
    noted = tmp_path / "journal"
    noted.write_text("begin a 1.0\nend a 1.5\nbegin b 1.625\nend b 2.0\nbegin c 2.25\n")
    assert coordinator.gaps(noted) == [0.125, 0.25]


def test_a_run_of_the_bench_finishes_its_trials(tmp_path):
    with coordinator.journal(tmp_path) as noted:
        coordinator.run(tmp_path / "results", "few", 2, Inline("_chaos.trials:run"), lambda store: Tracker())
        assert len(coordinator.gaps(noted)) == 1


def test_the_memory_of_an_index_is_without_that_of_the_process_that_starts_it():
    block = b"x" * 200_000_000
    done = subprocess.run([sys.executable, "-c", f"{data.PEAK}print(peak())"], check=True, capture_output=True)
    assert float(done.stdout) < 100 < len(block) / 2**20


@pytest.mark.slow
def test_the_memory_of_a_few_trials_is_read_ten_times():
    found = memory.measure(20)
    assert len(found["megabytes"]) == 10
    assert all(value > 50 for value in found["megabytes"])  # torch alone is more

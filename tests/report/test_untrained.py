"""Reports of trials that left out the untrained tokens, alone and beside trials that read them."""

import json
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.store.mlflow_tracker import Tracker

OFF = """
name: spared
trial:
  model: tiny_sd
  data: {name: figures, views: 1, side_px: 32}
  losses: {sharpening: {weight: 100}}
  steps: 1
  tokens: 12
  keypoints: 6
  map_side: 16
  optimise_scenes: 3
  scenes_per_step: 1
  fit_scenes: 3
  test_scenes: 2
  view_scenes: 0
  warp_bank: 1
  untrained: false
seeds: 2
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, random_models):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)
    monkeypatch.setattr("harness.store.mlflow_tracker.MlflowTracker", lambda store: Tracker())
    monkeypatch.setattr("harness.store.mlflow_tracker.push_files", lambda store: "")
    Path("spared.yaml").write_text(OFF)

    def command(*arguments):
        capsys.readouterr()
        inline = ["--executor", "inline"] if arguments[0] == "run" else []
        assert main([*arguments, *inline]) == 0
        return capsys.readouterr().out

    return command


def test_a_report_without_untrained_tokens_is_whole_and_verified(run):
    tables = run("run", "spared.yaml")
    assert "mean pose" in tables
    assert "untrained tokens" not in tables
    assert "Untrained tokens were not read in 2 of 2 trials (untrained: false)." in tables
    assert "spared: every number is confirmed" in run("report", "spared", "--verify")
    record = json.loads(next(Path("results").glob("spared/trials/*/record.json")).read_text())
    assert record["spec"]["untrained"] is False
    assert not [name for name in record["scores"] if "untrained" in name]
    trial = Path(f"results/spared/trials/{record['id']}")
    assert (trial / "panel.png").stat().st_size > 1000
    run("show", record["id"])
    run("gallery", "spared")


def test_a_table_of_both_kinds_takes_the_untrained_row_from_those_that_read_them(run):
    tables = run("run", "spared.yaml", "--set", "grid.untrained=[true, false]")
    rows = [line for line in tables.splitlines() if line.startswith("| untrained tokens")]
    assert len(rows) == 2  # PCK, and regressed
    assert all("True" in row for row in rows)
    assert "Untrained tokens were not read in 2 of 4 trials (untrained: false)." in tables
    assert "spared: every number is confirmed" in run("report", "spared", "--verify")

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import chaos
from _chaos.checks import violations


@pytest.mark.slow
@pytest.mark.parametrize("source", ["grid", "search"])
def test_nothing_is_lost_or_done_twice_when_workers_and_coordinators_are_killed(tmp_path, capsys, source):
    size = ["--trials", "24", "--workers", "2", "--worker-kills", "3", "--coordinator-kills", "1"]
    assert chaos.main([*size, "--folder", str(tmp_path), *(["--search"] if source == "search" else [])]) == 0
    found = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines()[:-1])
    assert (found["planned"], found["finished"], found["MLflow runs finished"]) == ("24", "24", "24")
    assert found["coordinators killed"] == "1"
    assert found["starts of the coordinator"] in ("2", "3")  # three kills may hit one trial: its retries are then spent
    assert int(found["workers killed"]) > 0


def test_whatever_is_not_as_it_must_be_is_named():
    good = {"planned": 3, "finished": 3, "MLflow runs finished": 3, "MLflow runs killed": 2, "executions": 5, "Lost": 0,
            "Twice in MLflow": 0, "MLflow runs still running": 0}
    assert list(violations(good)) == []
    assert list(violations({**good, "Lost": 1, "MLflow runs still running": 2})) == [
        "Lost: 1", "MLflow runs still running: 2"]
    assert list(violations({**good, "finished": 2})) == [
        "planned, finished and MLflow's finished runs differ in number"]

"""`harness archive`: one file that another machine reports from, with the same numbers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.store.store import Store
from tests.report import stores


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_RESULTS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    stores.study("results", levels=(("none", 0.3), ("blend", 0.4)), seeds=2, experiment="fusion")
    layout = {"report": {"rows": ["fusion"], "baseline": {"fusion": "none"}}, "trials": {}}
    Path("results/fusion/experiment.json").write_text(json.dumps(layout))
    return tmp_path


def tables(results, capsys):
    capsys.readouterr()
    assert main(["report", "fusion", "--format", "json", "--results", str(results)]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("output", [None, "packed.zip", "packed.tgz"])
def test_another_machine_reports_from_it_as_it_says(output, place, capsys, monkeypatch):
    store = Store("results", "fusion")
    store.mark_started("f" * 16)
    (store.folder / "worker-0.log").write_text("log")
    (store.folder / "heartbeat.json").write_text("{}")
    before = tables("results", capsys)
    assert main(["archive", "fusion", *(["--output", output] if output else [])]) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == (output or "fusion.tar.gz")
    (place / "elsewhere").mkdir()
    shutil.move(shown.out.strip(), place / "elsewhere")
    monkeypatch.chdir(place / "elsewhere")
    unpack = shown.err.split("elsewhere: ")[1].rsplit("; python -m harness report", 1)[0]
    subprocess.run(unpack.replace("python ", f"{sys.executable} "), shell=True, check=True)
    assert tables("results", capsys) == before
    packed = {path.name for path in Path("results/fusion").rglob("*")}
    assert {"report.html", "report.md", "report.json", "differences.svg", "points.parquet"} <= packed
    assert not {name for name in packed if name.startswith(".")} | packed & {"lock.json", "worker-0.log",
                                                                             "heartbeat.json"}
    assert main(["report", "fusion", "--verify"]) == 0


def test_it_overwrites_nothing_and_refuses_what_it_cannot_write(place, capsys):
    Path("fusion.tar.gz").write_text("mine")
    for arguments, said in ((["fusion"], "exists already"), (["fusion", "--output", "a.rar"], "ends in .tar.gz"),
                            (["fusion", "--output", "nowhere/a.zip"], "no such folder"),
                            (["fusoin"], "did you mean 'fusion'")):
        assert main(["archive", *arguments]) == 2
        assert said in capsys.readouterr().err
    assert Path("fusion.tar.gz").read_text() == "mine"
    assert sorted(path.name for path in Path().iterdir()) == ["fusion.tar.gz", "results"]


def test_an_experiment_without_a_finished_trial_is_packed_with_a_warning(place, capsys):
    stores.add("results", "broken", status="failed")
    assert main(["archive", "broken"]) == 0
    assert "warning: without a report: no trial has finished" in capsys.readouterr().err

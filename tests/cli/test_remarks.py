"""`--note` and `--tag`: from the command line to the record, MLflow, the report and the frames; ids stay."""

import json
from pathlib import Path

import pytest
import yaml

import harness
from harness.__main__ import main
from harness.store import mlflow_tracker
from harness.store.mlflow_server import connect, default_uri, find_experiment, store_runs
from harness.store.mlflow_tracker import Tracker
from harness.store.store import Store
from tests.runner.executors import fake

PROBE = {"name": "probe", "grid": {"fusion": ["none", "concat"]}}
REMARKS = ["--note", "without dropout", "--tag", "paper", "--tag", "round=2"]


@pytest.fixture(autouse=True)
def away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_RESULTS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("harness.method.trial.run", lambda spec, on_step, options: fake.result(spec))
    monkeypatch.setattr("harness.method.fingerprints.fingerprints", lambda spec: fake.FINGERPRINTS)
    monkeypatch.setattr("harness.store.mlflow_tracker.MlflowTracker", lambda store: Tracker())
    Path("probe.yaml").write_text(yaml.safe_dump(PROBE))


def run(*arguments):
    return main(["run", "probe.yaml", "--executor", "inline", *arguments])


def test_they_reach_record_report_page_and_frames(capsys):
    assert run(*REMARKS) == 0
    assert "Note: without dropout (2 of 2 trials)." in capsys.readouterr().out
    for record in Store("results", "probe").records():
        assert (record["note"], record["tags"]) == ("without dropout", ["paper", "round=2"])
    assert main(["report", "probe", "--format", "html"]) == 0
    page = next(Path("results/probe/report-trials").glob("*.html")).read_text()
    assert "without dropout" in page
    assert "paper, round=2" in page
    assert main(["report", "probe", "--format", "json"]) == 0
    assert '"note": "without dropout"' in capsys.readouterr().out
    trials = harness.load("probe").trials
    assert set(zip(trials["note"], trials["tags"], strict=True)) == {("without dropout", "paper, round=2")}
    assert main(["show", trials.index[0]]) == 0
    assert "note     without dropout\ntags     paper, round=2" in capsys.readouterr().out


def test_they_change_no_id_and_no_finished_trial(capsys):
    assert run() == 0
    before = {path.name for path in Path("results/probe/trials").iterdir()}
    assert run(*REMARKS) == 0
    assert {path.name for path in Path("results/probe/trials").iterdir()} == before
    assert {record["note"] for record in Store("results", "probe").records()} == {""}
    assert run(*REMARKS, "--force") == 0
    assert {path.name for path in Path("results/probe/trials").iterdir()} == before
    assert {record["note"] for record in Store("results", "probe").records()} == {"without dropout"}


def test_they_are_tags_in_mlflow():
    assert run(*REMARKS) == 0
    store, uri = Store("results", "probe"), default_uri(Path("results"))
    mlflow_tracker.sync(store)
    client = connect(uri)
    experiment, _ = find_experiment(client, store, uri)
    runs = [found.data.tags for found in store_runs(client, store, experiment.experiment_id)
            if found.data.tags.get("harness.id")]
    assert [(tags["note"], tags["paper"], tags["round"]) for tags in runs] == [
        ("without dropout", "true", "2")] * 2


def test_python_gives_them_too():
    ran = harness.run("probe.yaml", executor="inline", note="by hand", tags=["draft"])
    assert set(ran.trials["note"]) == {"by hand"}
    assert set(ran.trials["tags"]) == {"draft"}


@pytest.mark.parametrize("tag", ["", "two words", "mlflow.runName=x", "harness.id=1", "=value"])
def test_a_tag_that_mlflow_could_not_take_is_refused(tag, capsys):
    assert run("--tag", tag) == 2
    assert "expected NAME or NAME=VALUE" in capsys.readouterr().err


def test_an_older_record_has_none():
    assert run() == 0
    store = Store("results", "probe")
    file = store.path(store.records()[0]["id"]) / "record.json"
    plain = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in plain.items() if key not in ("note", "tags")}))
    assert len(store.records()) == 2
    assert store.record(plain["id"])["tags"] == []

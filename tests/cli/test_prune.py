"""`harness prune`: shows what goes, asks, and removes it from the store and from MLflow; the rest stays."""

import io
import json
import sys
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.store import mlflow_tracker
from harness.store.mlflow_mirror import run_pages
from harness.store.mlflow_server import default_uri
from harness.store.store import Store
from tests.report import stores


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Two experiments: one with finished, failed, stale and interrupted trials, one with a failed trial."""
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_RESULTS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    for seed, status in enumerate(("finished", "finished", "failed", "interrupted", "finished")):
        stores.add("results", "study", seed, status=status, scores={"pck@0.1": 0.5})
    stores.add("results", "other", 8, status="failed")
    file = Store("results", "study").path(trial(4)) / "record.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"results_version": 1}))
    return tmp_path


def trial(seed, experiment="study"):
    """Return the id of the trial of a seed."""
    found = {record["spec"]["seed"]: record["id"] for record in Store("results", experiment).records()}
    return found[seed]


def left(experiment="study"):
    return sorted(record["spec"]["seed"] for record in Store("results", experiment).records())


def test_failed_and_stale_trials_of_an_experiment_go_and_are_shown_first(place, capsys):
    gone = [trial(2), trial(4)]
    assert main(["prune", "study", "--yes"]) == 0
    out = capsys.readouterr().out
    shown, end = out.split("2 trials, ")
    assert all(id_ in shown for id_ in gone)
    assert "failed" in shown
    assert "(made up)" in shown
    assert "stale" in shown
    assert end.splitlines()[-1].startswith("study: 2 trials removed, 0 runs in MLflow")
    assert (left(), left("other")) == ([0, 1, 3], [8])
    assert not (place / "results" / "study" / "set_aside").exists()
    assert not [path for id_ in gone for path in Path("results").rglob(f"*{id_}*")]
    assert not (place / "results" / "mlflow.db").exists()


def test_without_names_every_experiment_is_pruned_and_a_status_narrows_it(place, capsys):
    assert main(["prune", "--status", "interrupted", "--yes"]) == 0
    assert (left(), left("other")) == ([0, 1, 2, 4], [8])
    assert main(["prune", "--yes"]) == 0
    assert (left(), left("other")) == ([0, 1], [])
    capsys.readouterr()
    assert main(["prune", "--yes"]) == 0
    assert capsys.readouterr().out == "nothing to remove: no trial is failed or stale\n"


def test_a_finished_trial_goes_only_when_it_is_chosen_by_its_id(place, capsys):
    assert main(["prune", trial(0)[:12], "--yes"]) == 0
    assert (left(), left("other")) == ([1, 2, 3, 4], [8])
    assert main(["prune", "study", "--status", "finished", "--yes"]) == 2
    assert main(["prune", "nothing-like-it", "--yes"]) == 2
    assert "no trial's id begins with" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("answer", "after"), [("y\n", [0, 1, 3]), ("n\n", [0, 1, 2, 3, 4]), ("", [0, 1, 2, 3, 4])])
def test_it_asks(answer, after, place, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert main(["prune", "study"]) == 0
    shown = capsys.readouterr()
    assert "remove 2 trials for good? [y/N]" in shown.err
    assert ("nothing was removed" in shown.out) == (len(after) == 5)
    assert left() == after


def test_without_a_terminal_nothing_goes_unless_yes_is_said(place, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["prune", "study"]) == 2
    assert "--yes removes without asking" in capsys.readouterr().err
    assert left() == [0, 1, 2, 3, 4]


def test_an_experiment_that_runs_is_left_alone(place, capsys):
    with Store("results", "study").lock():
        assert main(["prune", "study", "--yes"]) == 2
    assert "already being run" in capsys.readouterr().err
    assert left() == [0, 1, 2, 3, 4]


def test_a_record_that_a_run_replaced_meanwhile_stays(place, monkeypatch):
    def finished(count):
        stores.add("results", "study", 2, scores={"pck@0.1": 0.7})
        return True

    monkeypatch.setattr("harness.cli.prune._confirmed", finished)
    assert main(["prune", trial(2)]) == 0
    assert Store("results", "study").record(trial(2))["status"] == "finished"


def test_the_runs_in_mlflow_go_with_the_trials(place, capsys):
    store, uri = Store("results", "study"), default_uri(Path("results"))
    mlflow_tracker.sync(store)
    gone, kept = trial(2), trial(0)
    folders = {path.name for path in Path("results/artifacts/study").iterdir()}
    assert main(["prune", "study", "--status", "failed", "--yes"]) == 0
    assert "1 trials removed, 1 runs in MLflow" in capsys.readouterr().out
    pages = {id_ for id_, _ in run_pages(store, uri)}
    assert kept in pages
    assert gone not in pages
    assert len(folders - {path.name for path in Path("results/artifacts/study").iterdir()}) == 1
    assert mlflow_tracker.sync(store) == 0
    assert main(["prune", kept, "--yes", "--keep-mlflow"]) == 0
    assert kept in {id_ for id_, _ in run_pages(store, uri)}


def test_nothing_is_removed_if_mlflow_does_not_answer(place, monkeypatch, capsys):
    _ = Store("results", "study").identity
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert main(["prune", "study", "--yes"]) == 2
    assert "--keep-mlflow leaves its runs" in capsys.readouterr().err
    assert left() == [0, 1, 2, 3, 4]

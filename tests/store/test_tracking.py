import json
import math
import re
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
import yaml

from harness.config.spec import Experiment, ReportSpec
from harness.errors import UsageError
from harness.runner.coordinator import Policy, Progress, run_trials
from harness.runner.executors.inline import Inline
from harness.search.grid import Grid
from harness.store import mlflow_mirror as mirror_module
from harness.store import mlflow_server, mlflow_trial
from harness.store.mlflow_mirror import Mirror
from harness.store.mlflow_names import flatten
from harness.store.mlflow_server import default_uri
from harness.store.mlflow_tracker import MlflowTracker, push_files, sync
from harness.store.store import Store
from harness.store.urls import hide_password, sqlite_path
from tests.runner.executors import fake

CLOSED = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """Make MLflow's tables once: it takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow_server.connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(tmp_path, database, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = Store(tmp_path / "results", "quick")
    store.results.mkdir()
    shutil.copy(database, store.results / "mlflow.db")
    store.whole = database
    return store


def experiment(*specs):
    return Experiment("quick", specs, ("fusion",), (0,), ReportSpec(), "quick.yaml")


def run(store, *specs, progress=None):
    grid, executor = Grid(experiment(*specs), store, fake.fingerprints), Inline("tests.runner.executors.fake:run")
    return run_trials(grid, store, executor, MlflowTracker(store), policy=Policy(retries=0), progress=progress)


def runs_of(store):
    """Return the parent and the children, by trial id, as MLflow's own client reads them."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=default_uri(store.results), registry_uri=default_uri(store.results))
    found = client.search_runs([client.get_experiment_by_name("quick").experiment_id])
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} <= {parent.info.run_id}
    return client, parent, {run.data.tags["harness.id"]: run for run in children}, len(children)


def test_an_experiment_reads_back_from_mlflow(store):
    run(store, fake.spec(seed=1, strength=0.3), fake.spec(seed=2, raise_at=2))
    client, parent, children, count = runs_of(store)
    finished, failed = sorted(children.values(), key=lambda run: run.info.status, reverse=True)
    assert (count, parent.info.status, parent.info.run_name) == (2, "FAILED", "quick")
    assert (finished.info.status, failed.info.status) == ("FINISHED", "FAILED")
    assert finished.info.run_name == "fake 0.3 seed=1"
    assert finished.data.params == {"seed": "1", "model": "fake", "data": "fake", "fusion": "fake",
                                    "selection": "fake", "losses": "sharpening", "tokens": "128", "keypoints": "16",
                                    "steps": "4", "learning_rate": "0.02"}
    spec = yaml.safe_load(Path(client.download_artifacts(finished.info.run_id, "spec.yaml")).read_text())
    assert spec == json.loads(json.dumps(fake.spec(seed=1, strength=0.3).to_dict()))
    assert finished.data.metrics["1_pck/pck_at_0.1"] == 1.5
    assert math.isnan(finished.data.metrics["2_error/nme"])
    assert finished.data.metrics["5_cost/seconds_total"] == 0.25
    assert {name: finished.data.tags[name] for name in ("setting", "seed", "status")} == {
        "setting": "fusion=fake strength=0.3", "seed": "1", "status": "finished"}
    curve = client.get_metric_history(finished.info.run_id, "curve/loss")
    assert [(point.step, point.value) for point in curve] == [(1, 4.0), (2, 3.0), (3, 2.0), (4, 2.0)]
    assert {name for name in finished.data.tags if name.startswith("harness.")} == {f"harness.{name}" for name in (
        "attempts", "complete", "data", "id", "setting", "spec", "started", "status", "store", "weights")}
    assert failed.data.tags["harness.reason"] == "ValueError: it went wrong"
    assert {file.path for file in client.list_artifacts(finished.info.run_id)} == {
        "record.json", "spec.yaml", "curve.parquet", "points.parquet", "fit.parquet", "tokens.safetensors"}
    assert "traceback.txt" in {file.path for file in client.list_artifacts(failed.info.run_id)}
    record = store.record(finished.data.tags["harness.id"])
    assert record["started"] == finished.data.tags["harness.started"]
    assert finished.info.end_time >= finished.info.start_time
    assert Path(store.results / "artifacts" / "quick" / finished.info.run_id).is_dir()
    assert not Path("mlruns").exists()


def test_a_resumed_experiment_keeps_its_parent_and_pushes_nothing_twice(store):
    run(store, fake.spec(seed=1))
    run(store, fake.spec(seed=1), fake.spec(seed=2))
    _, parent, children, count = runs_of(store)
    assert (count, len(children), parent.info.status) == (2, 2, "FINISHED")
    assert sync(store) == 0


@pytest.mark.parametrize("by", ["run", "sync", "push_files"])
def test_after_its_parent_was_deleted_an_experiment_has_a_new_one_that_ends_and_holds_every_child(store, by):
    run(store, fake.spec(seed=1), fake.spec(seed=2))
    client, old, _, _ = runs_of(store)
    client.delete_run(old.info.run_id)  # as the button of MLflow's pages does
    if by == "run":
        run(store, fake.spec(seed=1), fake.spec(seed=2), fake.spec(seed=3))
    elif by == "sync":
        assert sync(store) == 0
    else:
        assert push_files(store) == ""
    _, parent, children, count = runs_of(store)
    assert parent.info.run_id != old.info.run_id
    assert (parent.info.status, count, len(children)) == ("FINISHED", *[3 if by == "run" else 2] * 2)
    assert sync(store) == 0
    assert runs_of(store)[1].info.run_id == parent.info.run_id


def test_what_a_dead_coordinator_left_running_is_closed_as_killed(store):
    with store.lock():
        left = Mirror(store, default_uri(store.results))
        left.resume()
        left.start("t0", store.mark_started("t0"), "t0", fake.spec().to_dict())
    _, parent, children, _ = runs_of(store)
    assert (parent.info.status, children["t0"].info.status) == ("RUNNING", "RUNNING")
    run(store, fake.spec(seed=1))
    _, parent, children, count = runs_of(store)
    assert (parent.info.status, children["t0"].info.status, count) == ("FINISHED", "KILLED", 2)


def test_an_unreachable_server_is_told_once_and_sync_pushes_later_without_duplicates(store, monkeypatch):
    class Told(Progress):
        warnings = []  # noqa: RUF012

        def warning(self, text):
            self.warnings.append((text, threading.current_thread() is threading.main_thread()))

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    summary = run(store, fake.spec(seed=1), fake.spec(seed=2), fake.spec(seed=3, raise_at=1), progress=Told())
    assert (summary.done, summary.failed) == (2, 1)
    ((warning, in_main_thread),) = Told.warnings
    assert warning.startswith(f"MLflow at {CLOSED}: ")
    assert "harness sync" in warning
    assert "secret" not in warning
    assert in_main_thread
    with pytest.raises(UsageError, match=f"MLflow at {CLOSED}"):
        sync(store)

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert sync(store) == 3
    assert sync(store) == 0
    _, parent, children, count = runs_of(store)
    assert (count, parent.info.status) == (3, "FAILED")
    assert sorted(child.info.status for child in children.values()) == ["FAILED", "FINISHED", "FINISHED"]


@pytest.fixture
def silent_port():
    """The port of a server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize("kind", ["closed", "silent", "folder"])
def test_a_database_that_is_down_is_given_up_in_seconds_and_said_once(store, monkeypatch, capfd, silent_port, kind):
    class Told(Progress):
        warnings = []  # noqa: RUF012

        def warning(self, text):
            self.warnings.append(text)

    uri = {"closed": "postgresql://me:secret@127.0.0.1:9/runs", "folder": f"sqlite:///{store.results}",
           "silent": f"postgresql://me:secret@127.0.0.1:{silent_port}/runs"}[kind]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setattr(time, "sleep", lambda seconds, sleep=time.sleep: sleep(seconds) if seconds < 2 else given_up())
    began = time.monotonic()
    assert run(store, fake.spec(seed=1), fake.spec(seed=2), progress=Told()).done == 2
    (warning,) = Told.warnings
    assert warning.startswith("MLflow at ")
    assert "secret" not in warning
    assert "sqlalche.me" not in warning
    assert push_files(store) == ""  # the run has said it; `sync` pushes files too
    assert time.monotonic() - began < 20
    assert "WARNING" not in "".join(capfd.readouterr())


def given_up():
    raise AssertionError("it waits to try again")


def test_options_of_a_sqlite_address_are_no_part_of_its_path(store, monkeypatch):
    uri = f"sqlite:///{store.results}/mlflow.db?timeout=60"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert run(store, fake.spec(seed=1)).done == 1
    _, parent, _, count = runs_of(store)
    assert (parent.info.status, count) == ("FINISHED", 1)
    assert not list(store.results.glob("*timeout*"))
    assert sqlite_path(uri) == store.results / "mlflow.db"
    assert sqlite_path("sqlite:///a.db?timeout=60&mode=rw") == Path("a.db")
    assert sqlite_path("postgresql://host/a?connect_timeout=3") is None


def test_a_damaged_database_costs_no_trial_and_is_made_anew_from_the_store(store, monkeypatch):
    class Told(Progress):
        warnings = []  # noqa: RUF012

        def warning(self, text):
            self.warnings.append(text)

    database = store.results / "mlflow.db"
    database.write_bytes(database.read_bytes()[:10_000])
    assert run(store, fake.spec(seed=1), fake.spec(seed=2), progress=Told()).done == 2
    (warning,) = Told.warnings
    assert re.search(r"mlflow.db: the database is damaged; move it away, .*results are safe in .*harness sync", warning)
    with pytest.raises(UsageError, match="the database is damaged"):
        sync(store)
    anew = store.results / "anew.db"  # another name: MLflow keeps connections to a name until its process ends
    shutil.copy(store.whole, anew)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{anew}")
    assert run(store, fake.spec(seed=1), fake.spec(seed=2)).skipped == 2  # catches up, though there is nothing to do
    _, parent, children, count = runs_of(store)
    assert (count, len(children), parent.info.status) == (2, 2, "FINISHED")
    assert not (store.folder / "mlflow.pending").exists()


def test_records_that_a_killed_coordinator_did_not_tell_are_told_by_the_next_run(store):
    untold = fake.spec(seed=1)
    run(store, fake.spec(seed=3))
    with store.lock():
        store.mark_started(untold.id("d0", "w0"))
        store.save(untold.id("d0", "w0"), untold, fake.result(untold), {}, {})
        (store.folder / "mlflow.pending").touch()  # as the tracker leaves it until it is closed
    run(store, untold, fake.spec(seed=2), fake.spec(seed=3))
    _, _, children, count = runs_of(store)
    assert (count, {child.info.status for child in children.values()}) == (3, {"FINISHED"})


def test_a_run_that_was_cut_off_is_pushed_as_killed(store):
    spec = fake.spec(seed=1)
    with store.lock():
        left = Mirror(store, default_uri(store.results))
        trial = spec.id("d0", "w0")
        left.start(trial, store.mark_started(trial, spec, fake.FINGERPRINTS), "x", spec.to_dict())
        (store.folder / "mlflow.pending").touch()
    run(store, spec)
    client, parent, _, count = runs_of(store)
    assert (count, parent.info.status) == (2, "FINISHED")
    found = client.search_runs([parent.info.experiment_id])
    assert sorted(run.info.status for run in found) == ["FINISHED", "FINISHED", "KILLED"]  # the parent, and two runs


def test_after_the_first_failure_nothing_is_queued_any_more(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", CLOSED)
    tracker = MlflowTracker(store)
    tracker.open()
    tracker._thread.join()
    for seed in range(3):
        tracker.started(f"t{seed}", "now", "", {})
        tracker.ended(f"t{seed}", "")
    assert tracker._tasks.empty()


def test_a_push_that_broke_off_is_completed_in_the_same_run(store, monkeypatch):
    run(store, fake.spec(seed=1))
    (record,) = store.records()
    client, _, children, _ = runs_of(store)
    run_id = children[record["id"]].info.run_id
    client.delete_tag(run_id, "harness.complete")
    client.update_run(run_id, status="RUNNING")
    assert sync(store) == 1
    client, _, children, count = runs_of(store)
    assert (count, children[record["id"]].info.status) == (1, "FINISHED")
    assert len(client.get_metric_history(run_id, "curve/loss")) == 4
    assert len(client.get_metric_history(run_id, "1_pck/pck_at_0.1")) == 1


def test_an_experiments_own_files_are_its_parents_artifacts(store, monkeypatch):
    run(store, fake.spec(seed=1))
    (store.folder / "figures").mkdir()
    for name in ("best.yaml", "figures/history.png", "lock.json"):
        (store.folder / name).write_text(name)
    assert push_files(store) == ""
    client, parent, _, _ = runs_of(store)
    kept = {item.path for folder in ("", "figures") for item in client.list_artifacts(parent.info.run_id, folder)}
    assert {"best.yaml", "figures/history.png"} <= kept
    assert "lock.json" not in kept
    monkeypatch.setenv("MLFLOW_TRACKING_URI", CLOSED)
    problem = push_files(store)
    assert problem.endswith("`harness sync` pushes the figures later")
    assert "\n" not in problem


def test_long_curves_are_thinned_and_keep_their_ends(store):
    steps = 12_345
    curve = {"step": [float(i) for i in range(steps)], "loss": [float(i) for i in range(steps - 1)] + [float("inf")]}
    run(store, fake.spec(changes={"curve": curve}))
    client, _, children, _ = runs_of(store)
    (child,) = children.values()
    points = client.get_metric_history(child.info.run_id, "curve/loss")
    assert len(points) <= mlflow_trial.LONGEST_CURVE + 1
    assert (points[0].step, points[-1].step) == (0, steps - 1)
    assert math.isnan(points[-1].value)


def test_a_database_that_another_created_first_is_used(tmp_path, database):
    path = tmp_path / "mlflow.db"
    shutil.copy(database, path)
    before = path.stat().st_ino
    mlflow_server._create_database(path)
    assert path.stat().st_ino == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["mlflow.db"]


def test_of_two_that_create_a_database_at_once_the_first_one_wins(tmp_path, monkeypatch):
    path = tmp_path / "mlflow.db"

    class Slow:
        """Stands for MLflow's client, whose tables take seconds: another coordinator finishes in between."""

        def __init__(self, tracking_uri, registry_uri):
            path.write_text("the other's")

        def search_experiments(self):
            return []

    monkeypatch.setattr("mlflow.MlflowClient", Slow)
    mlflow_server._create_database(path)
    assert path.read_text() == "the other's"
    assert [entry.name for entry in tmp_path.iterdir()] == ["mlflow.db"]


def test_sync_of_nothing_touches_nothing(tmp_path):
    assert sync(Store(tmp_path / "results", "quick")) == 0
    assert not (tmp_path / "results").exists()


def test_settings_are_flattened_and_long_ones_cut():
    assert flatten({"a": {"b": 1, "c": {"d": [1, 2]}}, "e": "x" * 7000}) == {
        "a.b": "1", "a.c.d": "[1, 2]", "e": "x" * 5997 + "..."}


def test_passwords_are_not_shown():
    assert hide_password("https://me:secret@host:5000/path") == "https://host:5000/path"
    assert hide_password("sqlite:////home/results/mlflow.db") == "sqlite:////home/results/mlflow.db"


def test_every_attempt_has_a_page_and_asking_writes_nothing(store):
    assert mirror_module.run_pages(store, default_uri(store.results)) == {}
    run(store, fake.spec(seed=0), fake.spec(seed=1))
    found = mirror_module.run_pages(store, default_uri(store.results))
    _, parent, children, _ = runs_of(store)
    assert {trial: page.rpartition("/")[2] for (trial, _), page in found.items()} == {
        trial: child.info.run_id for trial, child in children.items()}
    assert all((store.record(trial) or {})["started"] == started for trial, started in found)
    experiment = parent.info.experiment_id
    assert all(f"/#/experiments/{experiment}/runs/" in page for page in found.values())


def test_a_copied_folder_begins_its_experiment_beside_and_writes_nothing_to_the_old_place(store, tmp_path):
    from mlflow import MlflowClient

    assert run(store, fake.spec(0)).done == 1
    before, ids = sorted(store.results.rglob("*")), [fake.spec(seed).id("d0", "w0") for seed in (0, 1)]
    shutil.copytree(store.results, tmp_path / "copy")
    copy = Store(tmp_path / "copy", "quick")
    assert run(copy, fake.spec(0), fake.spec(1)).done == 1
    assert sorted(store.results.rglob("*")) == before
    uri = default_uri(copy.results)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    old, new = (client.get_experiment_by_name(name).experiment_id for name in ("quick", "quick-2"))
    assert {run.data.tags["harness.id"] for run in client.search_runs([old])} == {"", ids[0]}
    assert {run.data.tags["harness.id"] for run in client.search_runs([new])} == {"", ids[1]}
    assert all(Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(copy.results)
               for run in client.search_runs([new]))
    assert sync(copy) == 1  # the trial that was recorded before it was copied
    assert client.get_experiment_by_name("quick-3") is None
    assert {trial for trial, _ in mirror_module.run_pages(copy, uri)} == set(ids)


def test_the_same_folder_by_another_path_goes_on_in_the_same_experiment(store, tmp_path):
    assert run(store, fake.spec(0)).done == 1
    (tmp_path / "link").symlink_to(store.results)
    assert run(Store(tmp_path / "link", "quick"), fake.spec(1)).done == 1
    assert run(Store(store.results / ".." / "results", "quick"), fake.spec(2)).done == 1
    assert runs_of(store)[3] == 3


@pytest.mark.parametrize("name", ["p %20 q", "what?", "a?b=c", "a?timeout=60"])
def test_a_path_that_no_address_can_hold_is_refused_before_anything_is_written(tmp_path, monkeypatch, name):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UsageError, match=r"/mlflow.db: a database cannot lie in a path with % or \?") as refused:
        MlflowTracker(Store(tmp_path / name, "quick"))
    assert name in str(refused.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://host/%7Eme")
    MlflowTracker(Store(tmp_path / name, "quick"))
    assert list(tmp_path.iterdir()) == []

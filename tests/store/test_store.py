import json
import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.config.spec import RESULTS_VERSION, TrialSpec
from harness.errors import UsageError
from harness.runner.environment import machine, source
from harness.store import atomic_files, lock
from harness.store.record import KEY_TYPES
from harness.store.store import Store
from tests.runner.executors import fake

ROOT = Path(__file__).parents[2]
WHERE = {"torch": "2", "loss": float("inf")}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results", "quick")


def save(store, trial="t1", spec=None, **changes):
    spec = spec or fake.spec()
    store.mark_started(trial)
    store.save(trial, spec, fake.result(spec, **changes), {"panel": b"png"}, WHERE)


def edit(store, trial, **changes):
    path = store.path(trial) / "record.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_record_reads_back_as_it_was_saved(store):
    spec = fake.spec(seed=3, strength=0.3)
    save(store, spec=spec)
    record = store.record("t1")
    assert tuple(record) == tuple(KEY_TYPES)
    assert (record["id"], record["experiment"], record["status"], record["reason"]) == ("t1", "quick", "finished", "")
    assert TrialSpec.from_dict(record["spec"]) == spec
    assert record["scores"]["pck@0.1"] == 3.5
    assert record["cost"] == {"seconds_total": 0.25}
    assert record["fingerprints"] == {"data": "d0", "weights": "w0"}
    assert record["keypoints"] == ["head", "hand"]
    assert record["results_version"] == RESULTS_VERSION
    assert record["started"] < record["ended"]
    assert store.curve("t1") == {"step": [1.0, 2.0, 3.0, 4.0], "loss": [4.0, 3.0, 2.0, 4.0]}
    points = store.points("t1")
    assert points["keypoint"] == [0, 0]
    assert points["visible"] == [True, False]
    assert points["error"][0] == 0.1
    assert math.isnan(points["error"][1])
    assert torch.equal(store.tokens("t1")["tokens"], torch.tensor([[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]))
    assert (store.path("t1") / "panel.png").read_bytes() == b"png"


def test_numbers_that_are_not_finite_are_null_in_the_file_and_nan_in_the_record(store):
    save(store)
    text = (store.path("t1") / "record.json").read_text()
    plain = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert plain["scores"]["nme"] is None
    assert plain["environment"]["loss"] is None
    assert math.isnan(store.record("t1")["scores"]["nme"])


def test_statuses_are_told_apart(store):
    save(store, "finished")
    save(store, "diverged", status="failed", reason="NaN at step 2")
    store.fail("raised", fake.spec(), "ValueError: no", WHERE, traceback="Traceback ...")
    store.fail("stopped", fake.spec(), "stopped on request", WHERE, status="interrupted")
    save(store, "old")
    edit(store, "old", results_version=RESULTS_VERSION - 1)
    store.mark_started("now")
    (store.trials / ".killed.started").write_text(json.dumps({**lock.process_identity(), "pid": dead_process()}))
    found = {trial: store.status(trial) for trial in
             ("finished", "diverged", "raised", "stopped", "old", "now", "killed", "never")}
    assert found == {"finished": "finished", "diverged": "failed", "raised": "failed", "stopped": "interrupted",
                     "old": "stale", "now": "running", "killed": "interrupted", "never": "missing"}
    assert store.record("diverged")["reason"] == "NaN at step 2"
    assert (store.path("raised") / "traceback.txt").read_text() == "Traceback ..."
    assert [record["id"] for record in store.records()] == ["diverged", "finished", "old", "raised", "stopped"]
    assert store.unreadable() == {}


def test_a_record_from_before_keypoints_had_names_can_be_read(store):
    save(store)
    path = store.path("t1") / "record.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "keypoints"}))
    assert store.record("t1")["keypoints"] == []


def test_torn_and_foreign_folders_are_named_and_not_trusted(store):
    for trial in ("torn", "cut", "moved", "short"):
        save(store, trial)
    (store.path("torn") / "record.json").write_text('{"id": "to')
    points = store.path("cut") / "points.parquet"
    points.write_bytes(points.read_bytes()[:-1])
    store.path("moved").rename(store.path("elsewhere"))
    edit(store, "short", id="short")
    path = store.path("short") / "record.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "scores"}))
    store.path("notes").mkdir()
    assert store.unreadable() == {
        "torn": "no readable record.json", "cut": "points.parquet is missing or torn",
        "elsewhere": "it is the record of quick/moved", "short": "record.json lacks scores",
        "notes": "no readable record.json"}
    assert store.records() == []
    assert store.record("cut") is None
    assert {store.status(trial) for trial in ("torn", "cut", "elsewhere", "short", "notes")} == {"unreadable"}


@pytest.mark.parametrize(("changes", "problem"), [
    ({"scores": None}, "scores in record.json is not a mapping"),
    ({"scores": []}, "scores in record.json is not a mapping"),
    ({"cost": None}, "cost in record.json is not a mapping"),
    ({"files": ["curve.parquet"]}, "files in record.json is not a mapping"),
    ({"environment": None}, "environment in record.json is not a mapping"),
    ({"attempts": None}, "attempts in record.json is not a list"),
    ({"attempts": ["broke"]}, "attempts in record.json are not mappings"),
    ({"keypoints": {}}, "keypoints in record.json is not a list"),
    ({"started": None}, "started in record.json is not text"),
    ({"status": None}, "status in record.json is not text"),
    ({"status": "done"}, "status in record.json is 'done'"),
    ({"spec": None}, "spec in record.json is not a mapping"),
    ({"spec": {}}, "spec in record.json has no seed"),
    ({"spec": {"seed": 0, "model": "tiny_sd"}}, "spec in record.json names no model"),
    ({"spec": {**fake.spec().to_dict(), "losses": ["sharpening"]}}, "spec in record.json names no losses"),
])
def test_a_record_of_another_shape_is_named_and_the_others_are_read(store, changes, problem):
    save(store, "damaged")
    save(store, "whole")
    edit(store, "damaged", **changes)
    assert store.unreadable() == {"damaged": problem}
    assert (store.status("damaged"), store.record("damaged")) == ("unreadable", None)
    assert [record["id"] for record in store.records()] == ["whole"]


@pytest.mark.parametrize("part", ["spec", "fingerprints"])
def test_a_record_whose_setting_was_changed_by_hand_is_named_and_not_trusted(store, part):
    spec = fake.spec()
    trial = spec.id(**{f"{kind}_fingerprint": text for kind, text in fake.FINGERPRINTS.items()})
    save(store, trial, spec)
    assert store.status(trial) == "finished"
    record = json.loads((store.path(trial) / "record.json").read_text())
    edit(store, trial, **{part: {**record[part], **({"tokens": 7} if part == "spec" else {"weights": "w1"})}})
    problem = store.unreadable()[trial]
    assert problem.startswith("spec or fingerprints in record.json were changed after the trial ran")
    assert store.status(trial) == "unreadable"


def test_a_setting_with_an_infinity_is_no_changed_one(store):
    spec = fake.spec(limit=float("inf"), also=[float("nan")])
    trial = spec.id(**{f"{kind}_fingerprint": text for kind, text in fake.FINGERPRINTS.items()})
    save(store, trial, spec)
    assert store.status(trial) == "finished"


@pytest.mark.parametrize("held", [
    {}, {"scores": None, "cost": [], "files": 3, "attempts": [None], "spec": {"seed": 1}},
])
def test_of_a_record_of_another_version_whatever_is_of_another_shape_is_empty(store, held):
    save(store, "later")
    (store.path("later") / "record.json").write_text(json.dumps(
        {"id": "later", "experiment": "quick", "results_version": RESULTS_VERSION + 1, "novel": 1, **held}))
    (record,) = store.records()
    assert (record["status"], record["results_version"], record["novel"]) == ("stale", RESULTS_VERSION + 1, 1)
    assert (record["spec"], record["scores"], record["cost"], record["files"]) == ({}, {}, {}, {})
    assert (record["attempts"], record["reason"]) == ([], "")


def test_a_folder_that_is_not_trusted_is_moved_aside_not_destroyed(store):
    store.path("t1").mkdir(parents=True)
    (store.path("t1") / "thesis.txt").write_text("years of work")
    save(store)
    assert store.status("t1") == "finished"
    (aside,) = (store.folder / "set_aside").glob("t1-*")
    assert (aside / "thesis.txt").read_text() == "years of work"


def test_a_failed_record_is_replaced_a_finished_one_only_by_a_finished_one(store):
    store.fail("t1", fake.spec(), "no memory", WHERE, traceback="Traceback ...")
    save(store)
    assert store.status("t1") == "finished"
    assert not (store.path("t1") / "traceback.txt").exists()
    store.fail("t1", fake.spec(), "no memory", WHERE)
    assert store.status("t1") == "finished"
    save(store, scores={"pck@0.1": 0.9})
    assert store.record("t1")["scores"] == {"pck@0.1": 0.9}
    assert [path.name for path in store.trials.iterdir()] == ["t1"]


@pytest.mark.parametrize("dies_at", ["curve.parquet", "points.parquet", "panel.png", "record.json"])
@pytest.mark.parametrize("before", ["missing", "failed"])
def test_a_write_that_breaks_off_leaves_what_was_there(store, monkeypatch, dies_at, before):
    if before == "failed":
        store.fail("t1", fake.spec(), "first", WHERE)
    whole = atomic_files.write_file

    def break_off(path, content):
        whole(path, content[:1] if path.name == dies_at else content)
        if path.name == dies_at:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_files, "write_file", break_off)
    with pytest.raises(OSError, match="No space"):
        save(store)
    left = {".t1.started", "t1"} if before == "failed" else {".t1.started"}
    assert {path.name for path in store.trials.iterdir()} == left
    if before == "failed":
        assert store.record("t1")["reason"] == "first"


@pytest.mark.parametrize("moment", ["writing", "old moved", "new moved"])
def test_a_process_killed_while_it_replaces_a_record_leaves_one_of_the_two(store, moment):
    store.fail("t1", fake.spec(), "first", WHERE)
    script = f"""
import os
from pathlib import Path
from harness.store import atomic_files as folders
from harness.store.store import Store
from tests.runner.executors import fake
moment, rename, write = {moment!r}, Path.rename, folders.write_file
def die(path, target):
    done = rename(path, target)
    if str(target).endswith(".old" if moment == "old moved" else "/t1") and moment != "writing":
        os._exit(9)
    return done
def torn(path, content):
    write(path, content)
    if moment == "writing" and path.name == "traceback.txt":
        os._exit(9)
Path.rename, folders.write_file = die, torn
Store({str(store.results)!r}, "quick").fail("t1", fake.spec(), "second", {{}}, traceback="Traceback ...")
"""
    ran = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60)
    assert ran.returncode == 9
    with store.lock():
        assert store.record("t1")["reason"] == ("second" if moment == "new moved" else "first")
        assert {path.name for path in store.trials.iterdir()} == {"t1"}


def test_two_coordinators_of_one_experiment_do_not_run_at_once(store):
    with store.lock(), pytest.raises(UsageError, match=f"already being run by process {os.getpid()} on ") as refused:  # noqa: SIM117
        with store.lock():
            pass
    assert "\n" not in str(refused.value)
    with store.lock():
        pass


def test_other_experiments_run_beside(store):
    with store.lock(), Store(store.results, "other").lock():
        assert (store.folder / "lock.json").read_text() != ""


@pytest.mark.parametrize("locks", [True, False])
def test_the_lock_of_a_dead_process_is_taken_over(store, monkeypatch, locks):
    if not locks:
        monkeypatch.setattr(lock, "_lock", lambda file: None)
    store.folder.mkdir(parents=True)
    (store.folder / "lock.json").write_text(json.dumps({**lock.process_identity(), "pid": dead_process()}))
    with store.lock():
        assert json.loads((store.folder / "lock.json").read_text())["pid"] == os.getpid()


def test_without_file_locks_the_name_in_the_file_decides(store, monkeypatch):
    monkeypatch.setattr(lock, "_lock", lambda file: None)
    store.folder.mkdir(parents=True)
    for holder in (lock.process_identity(), {**lock.process_identity(), "host": "elsewhere", "pid": dead_process()}):
        (store.folder / "lock.json").write_text(json.dumps(holder))
        with pytest.raises(UsageError, match="already being run"), store.lock():
            pass


def test_a_pid_that_was_given_to_another_process_does_not_keep_a_lock_or_a_trial(store, monkeypatch):
    monkeypatch.setattr(lock, "_lock", lambda file: None)
    reused = {**lock.process_identity(), "born": "another boot 17"}
    store.mark_started("t1")
    assert store.status("t1") == "running"
    (store.trials / ".t1.started").write_text(json.dumps(reused))
    (store.folder / "lock.json").write_text(json.dumps(reused))
    assert store.status("t1") == "interrupted"
    with store.lock():
        pass


def test_a_process_that_has_died_but_was_not_waited_for_is_dead():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = {**lock.process_identity(), "pid": process.pid, "born": lock.process_start(process.pid)}
    assert lock.alive(holder)
    process.kill()
    while lock.process_start(process.pid) != "never":
        time.sleep(0.01)
    assert not lock.alive(holder)
    process.communicate()
    assert not lock.alive(holder)


def test_a_place_that_cannot_be_written_is_named_before_anything_starts(store):
    store.results.mkdir()
    (store.results / "quick").write_text("a file")
    with pytest.raises(UsageError, match=r"quick/lock.json: cannot be written: "), store.lock():
        pass


def test_reading_an_experiment_that_never_ran_creates_nothing(store):
    assert (store.records(), store.unreadable(), store.status("t1"), store.record("t1")) == ([], {}, "missing", None)
    assert not store.results.exists()


def test_the_identity_stays(store):
    assert store.identity == Store(store.results, "quick").identity
    assert store.identity != Store(store.results, "other").identity


def test_the_environment_names_versions_device_and_commit():
    source.cache_clear()
    found = {**machine(), **source()}
    assert found["torch"] == torch.__version__
    assert found["threads"] == torch.get_num_threads()
    assert found["cpu_count"] == os.cpu_count()
    assert all(found[name] for name in ("python", "numpy", "diffusers", "transformers", "platform", "device"))
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True)
    assert found["git_commit"] == (commit.stdout.strip() if commit.returncode == 0 else None)


def test_a_failed_result_keeps_its_curve(store):
    spec = fake.spec()
    store.save("t1", spec, replace(fake.result(spec), status="failed", reason="NaN", points={}, tokens={}), {}, {})
    assert store.curve("t1")["loss"] == [4.0, 3.0, 2.0, 1.0]
    assert store.points("t1") == {}


def dead_process():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_fit_splits_scenes_read_back(store):
    save(store, fit={"scene": [0, 1], "pck_fit@0.1": [0.5, math.nan]})
    assert "fit.parquet" in store.record("t1")["files"]
    assert store.fit("t1")["scene"] == [0, 1]
    assert store.fit("t1")["pck_fit@0.1"][0] == 0.5
    assert math.isnan(store.fit("t1")["pck_fit@0.1"][1])


def test_a_record_from_before_the_fit_split_was_scored_is_read(store):
    save(store)
    files = store.record("t1")["files"]
    (store.path("t1") / "fit.parquet").unlink()
    edit(store, "t1", files={name: size for name, size in files.items() if name != "fit.parquet"})
    assert store.status("t1") == "finished"
    assert store.fit("t1") == {}

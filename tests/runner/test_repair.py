"""What a dead coordinator or a torn disk left is put in order, named, and loses nothing."""

import json

import pytest

from harness.runner.repair import repair_store
from harness.store import lock
from harness.store.store import Store
from tests.runner.executors import fake


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results", "quick")


def begin(store, seed, attempts=()):
    spec = fake.spec(seed)
    trial = spec.id("d0", "w0")
    return trial, store.mark_started(trial, spec, fake.FINGERPRINTS, attempts)


def finish(store, seed):
    trial, _ = begin(store, seed)
    store.save(trial, fake.spec(seed), fake.result(fake.spec(seed)), {}, {})
    return trial


def test_nothing_to_repair_is_nothing_to_say(store):
    assert repair_store(store) == []
    finish(store, 0)
    assert repair_store(store) == []


def test_trials_that_were_under_way_become_interrupted_records_with_their_history(store):
    broke = {"reason": "it broke", "cause": "error", "ended": "then", "options": {}}
    (first, started), (second, _) = begin(store, 0, [broke]), begin(store, 1)
    (said,) = repair_store(store)
    pid = lock.process_identity()["pid"]
    assert said == f"2 under way when process {pid} died, to be run again: {', '.join(sorted([first, second]))}"
    record = store.record(first)
    assert (record["status"], record["started"], record["attempts"]) == ("interrupted", started, [broke])
    assert record["reason"].startswith(f"cut off when its coordinator died (process {pid} on ")
    assert record["fingerprints"] == fake.FINGERPRINTS
    assert store.start_markers() == {}
    assert repair_store(store) == []


@pytest.mark.parametrize("again", [False, True])
def test_a_finished_trial_stands_whether_its_note_is_old_or_it_was_forced_again(store, again):
    trial = finish(store, 0)
    started = store.record(trial)["started"]
    marker = store.trials / f".{trial}.started"
    marker.write_text(json.dumps({**lock.process_identity(), "since": "later" if again else started,
                                  "spec": fake.spec(0).to_dict(), "fingerprints": {}, "attempts": []}))
    assert repair_store(store) == []
    assert (store.status(trial), store.record(trial)["started"]) == ("finished", started)
    assert not marker.exists()


def test_a_failed_trial_that_was_cut_off_when_it_ran_again_is_interrupted(store):
    trial, _ = begin(store, 0)
    store.fail(trial, fake.spec(0), "no memory", {})
    begin(store, 0)
    assert len(repair_store(store)) == 1
    assert store.status(trial) == "interrupted"


@pytest.mark.parametrize("content", ["", "{", '{"pid": 1}', '{"spec": {"model": 3}}', '{"spec": {"unknown": 1}}'])
def test_a_note_that_is_torn_or_of_another_version_is_dropped_and_its_trial_named(store, content):
    finish(store, 1)
    (store.trials / ".abc.started").write_text(content)
    (said,) = repair_store(store)
    assert said.endswith("to be run again: abc")
    assert (store.status("abc"), store.start_markers()) == ("missing", {})


@pytest.mark.parametrize("tear", ["cut record", "cut points", "no record"])
def test_a_torn_trial_is_set_aside_and_named_and_the_others_stay(store, tear):
    trial, other = finish(store, 0), finish(store, 1)
    record, points = store.path(trial) / "record.json", store.path(trial) / "points.parquet"
    if tear == "cut record":
        record.write_text(record.read_text()[:100])
    elif tear == "cut points":
        points.write_bytes(points.read_bytes()[:-10])
    else:
        record.unlink()
    (said,) = repair_store(store)
    (aside,) = (store.folder / "set_aside").iterdir()
    assert f"{store.path(trial)} is not trusted: " in said
    assert said.endswith(f"set aside as {aside}")
    assert (aside / "tokens.safetensors").is_file()
    assert (store.status(trial), store.status(other)) == ("missing", "finished")
    assert repair_store(store) == []

"""How an experiment stands is told from its folder, whatever its last run came to write."""

import json

from harness.runner.experiment_status import standing
from harness.runner.heartbeat import FILE
from harness.store import lock
from harness.store.store import Store
from tests.runner.executors import fake


def finish(store, seed):
    trial = fake.spec(seed).id("d0", "w0")
    store.begin(trial)
    store.save(trial, fake.spec(seed), fake.result(fake.spec(seed)), {}, {})


def test_of_a_run_that_died_the_records_say_what_is_left(tmp_path):
    store = Store(tmp_path, "quick")
    finish(store, 0)
    run = {"total": 5, "skipped": 1, "began": lock.now(), "at": lock.now(), "ended": {}, "running": {}, "stopped": "",
           "over": False}
    finish(store, 1)  # after the last heartbeat
    finish(store, 2)
    store.fail(fake.spec(3).id("d0", "w0"), fake.spec(3), "it broke", {})
    (store.folder / FILE).write_text(json.dumps({**lock.me(), "born": "another boot 17", **run}))
    stands = standing(store)
    # of 5, one was finished before and two since; what has failed is left
    assert (stands.alive, stands.planned, stands.left) == (False, 5, 2)
    assert stands.counts == {"failed": 1, "finished": 3}
    (store.folder / FILE).write_text(json.dumps({**lock.me(), **run, "ended": {"finished": 1}}))
    assert (standing(store).alive, standing(store).left) == (True, 3)  # one that lives knows best

"""How an experiment stands is told from its folder, whatever its last run came to write."""

import json

from harness.runner.experiment_status import experiment_status
from harness.runner.heartbeat import FILE
from harness.store import lock
from harness.store.store import Store
from tests.runner.executors import fake


def finish(store, seed):
    trial = fake.spec(seed).id("d0", "w0")
    store.mark_started(trial)
    store.save(trial, fake.spec(seed), fake.result(fake.spec(seed)), {}, {})


def test_of_a_run_that_died_the_records_say_what_is_left(tmp_path):
    store = Store(tmp_path, "quick")
    finish(store, 0)
    run = {"total": 5, "skipped": 1, "began": lock.now(), "at": lock.now(), "ended": {}, "running": {}, "stopped": "",
           "over": False}
    finish(store, 1)  # after the last heartbeat
    finish(store, 2)
    store.fail(fake.spec(3).id("d0", "w0"), fake.spec(3), "it broke", {})
    (store.folder / FILE).write_text(json.dumps({**lock.process_identity(), "born": "another boot 17", **run}))
    stands = experiment_status(store)
    # of 5, one was finished before and two since; what has failed is left
    assert (stands.alive, stands.planned, stands.left) == (False, 5, 2)
    assert stands.counts == {"failed": 1, "finished": 3}
    (store.folder / FILE).write_text(json.dumps({**lock.process_identity(), **run, "ended": {"finished": 1}}))
    assert (experiment_status(store).alive, experiment_status(store).left) == (True, 3)  # one that lives knows best

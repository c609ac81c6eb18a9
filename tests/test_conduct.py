import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from harness.conduct import Progress, conduct, plan
from harness.execution.inline import Inline
from harness.execution.processes import Processes
from harness.plugins import UsageError
from harness.spec import Choice, Experiment, ReportSpec
from harness.store import Store
from harness.tracking import Untracked
from tests.execution import fake

ROOT = Path(__file__).parents[1]
RUN = "tests.execution.fake:run"


class Heard(Progress):
    """Notes every callback; ``on_step`` is called at each step."""

    def __init__(self, on_step=lambda step: None):
        self.notes = []
        self.on_step = on_step

    def planned(self, trials):
        self.notes.append(("planned", [trial.status for trial in trials]))

    def started(self, trial):
        self.notes.append(("started", trial.label))

    def step(self, trial, step):
        self.on_step(step)

    def finished(self, trial, result):
        self.notes.append(("finished", result.scores["pck@0.1"]))

    def failed(self, trial, reason):
        self.notes.append(("failed", reason))

    def interrupted(self, trial):
        self.notes.append(("interrupted", trial.label))

    def warning(self, text):
        self.notes.append(("warning", text))


class Recorder(Untracked):
    """Notes what the mirror is told."""

    def __init__(self):
        self.notes = []

    def open(self):
        self.notes.append("open")

    def started(self, trial, started, label, spec):
        self.notes.append(f"started {label}")

    def ended(self, trial, label):
        self.notes.append(f"ended {label}")

    def close(self, status):
        self.notes.append(status)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results", "quick")


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal"


@pytest.fixture(scope="module")
def processes():
    with Processes(RUN, threads=1) as executor:
        yield executor


def experiment(*specs, axes=()):
    return Experiment("quick", specs, axes, (0,), ReportSpec(), "quick.yaml")


def go(store, *specs, executor=None, **options):
    return conduct(experiment(*specs), store, executor or Inline(RUN), fingerprints=fake.fingerprints, **options)


def counts(summary):
    return (summary.planned, summary.done, summary.skipped, summary.failed, summary.interrupted, summary.left)


def seeds_in(journal):
    return [int(line.split()[0]) for line in journal.read_text().splitlines()]


def test_the_plan_keeps_the_order_drops_repeats_and_asks_once_per_choice(store):
    asked = []

    def fingerprints(spec):
        asked.append(spec.seed)
        return fake.FINGERPRINTS

    specs = [fake.spec(2), fake.spec(0), fake.spec(2), fake.spec(1, strength=0.5)]
    trials = plan(experiment(*specs, axes=("fusion", "fusion.strength", "losses")), store, fingerprints)
    assert [trial.label for trial in trials] == [
        "fusion=fake losses=sharpening seed=2", "fusion=fake losses=sharpening seed=0",
        "fusion=fake fusion.strength=0.5 losses=sharpening seed=1"]
    assert [trial.id for trial in trials] == [specs[i].id("d0", "w0") for i in (0, 1, 3)]
    assert {trial.status for trial in trials} == {"missing"}
    assert asked == [2]


def test_another_model_is_asked_for_its_own_fingerprints(store):
    first = fake.spec()
    second = type(first)(**{**vars(first), "model": Choice("other", {})})
    trials = plan(experiment(first, second), store, lambda spec: {"data": "d", "weights": spec.model.name})
    assert [trial.fingerprints["weights"] for trial in trials] == ["fake", "other"]


def test_trials_run_in_planned_order_and_are_told(store):
    heard, mirrored = Heard(), Recorder()
    summary = go(store, fake.spec(1), fake.spec(0, raise_at=2), progress=heard, tracker=mirrored)
    assert counts(summary) == (2, 1, 0, 1, 0, 0)
    assert heard.notes == [("planned", ["missing", "missing"]), ("started", "seed=1"), ("finished", 1.5),
                           ("started", "seed=0"), ("failed", "ValueError: it went wrong")]
    assert mirrored.notes == [
        "started seed=1", "open", "ended seed=1", "started seed=0", "open", "ended seed=0", "FAILED"]
    done, raised = (store.record(spec.id("d0", "w0")) for spec in (fake.spec(1), fake.spec(0, raise_at=2)))
    assert (done["status"], raised["status"], raised["reason"]) == ("finished", "failed", "ValueError: it went wrong")
    assert raised["fingerprints"] == fake.FINGERPRINTS
    assert "Traceback" in (store.path(raised["id"]) / "traceback.txt").read_text()
    assert {"git_commit", "git_dirty", "command", "device", "torch", "cpu_count"} <= set(done["environment"])


def test_a_finished_trial_is_never_computed_twice_and_a_failed_one_is(store, journal):
    specs = [fake.spec(0, journal=str(journal)), fake.spec(1, journal=str(journal), raise_at=1),
             fake.spec(2, journal=str(journal), changes={"status": "failed", "reason": "NaN at step 3"})]
    assert counts(go(store, *specs)) == (3, 1, 0, 2, 0, 0)
    heard = Heard()
    assert counts(go(store, *specs, fake.spec(3, journal=str(journal)), progress=heard)) == (4, 1, 1, 2, 0, 0)
    assert seeds_in(journal) == [0, 1, 2, 1, 2, 3]
    assert heard.notes[0] == ("planned", ["finished", "failed", "failed", "missing"])
    assert ("failed", "NaN at step 3") in heard.notes
    assert counts(go(store, specs[0], force=True)) == (1, 1, 0, 0, 0, 0)
    assert seeds_in(journal) == [0, 1, 2, 1, 2, 3, 0]


def test_nothing_to_do_starts_neither_worker_nor_mirror(store):
    go(store, fake.spec())
    executor, mirrored = Processes(RUN), Recorder()
    assert counts(go(store, fake.spec(), executor=executor, tracker=mirrored)) == (1, 0, 1, 0, 0, 0)
    assert executor._workers[0].sources() == ()
    assert mirrored.notes == ["FINISHED"]


def test_a_result_of_other_data_than_the_id_says_is_not_kept_as_finished(store):
    heard = Heard()
    changed = {"fingerprints": {"data": "d1", "weights": "w0"}}
    assert counts(go(store, fake.spec(changes=changed), progress=heard)) == (1, 0, 0, 1, 0, 0)
    assert heard.notes[-1] == ("failed", "the data or the weights changed while it ran")


def test_a_killed_worker_costs_one_trial(store, processes):
    heard = Heard()
    summary = go(store, fake.spec(0, die_at=2), fake.spec(1), executor=processes, progress=heard)
    assert counts(summary) == (2, 1, 0, 1, 0, 0)
    assert ("failed", "the worker was killed by SIGKILL (perhaps out of memory)") in heard.notes
    assert store.status(fake.spec(0, die_at=2).id("d0", "w0")) == "failed"


def test_the_first_interrupt_lets_the_running_trial_finish(store):
    def interrupt(step):
        if step.step == 1:
            os.kill(os.getpid(), signal.SIGINT)

    heard, mirrored = Heard(interrupt), Recorder()
    assert counts(go(store, fake.spec(0), fake.spec(1), progress=heard, tracker=mirrored)) == (2, 1, 0, 0, 0, 1)
    assert ("warning", "stopping when the running trial ends; Ctrl-C again stops it now") in heard.notes
    assert mirrored.notes[-1] == "KILLED"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert counts(go(store, fake.spec(0), fake.spec(1))) == (2, 1, 1, 0, 0, 0)


@pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,)])
@pytest.mark.parametrize("where", ["inline", "processes"])
def test_the_second_interrupt_or_a_termination_stops_it(store, processes, signals, where):
    def interrupt(step):
        if step.step == 1:
            for number in signals:
                os.kill(os.getpid(), number)

    heard, mirrored = Heard(interrupt), Recorder()
    executor, stall = (Inline(RUN), None) if where == "inline" else (processes, 1)
    specs = fake.spec(0, stall_at=stall), fake.spec(1)
    assert counts(go(store, *specs, executor=executor, progress=heard, tracker=mirrored)) == (2, 0, 0, 0, 1, 1)
    assert heard.notes[-1] == ("interrupted", "seed=0")
    assert store.status(specs[0].id("d0", "w0")) == "interrupted"
    assert mirrored.notes[-2:] == ["ended seed=0", "KILLED"]


def test_the_third_interrupt_kills(store):
    def interrupt(step):
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)

    with Processes(RUN, threads=1) as executor, pytest.raises(KeyboardInterrupt):
        go(store, fake.spec(stall_at=1), executor=executor, progress=Heard(interrupt))
    assert store.records() == []
    with store.lock():
        pass


def test_a_killed_coordinator_resumes_where_it_was(store, journal, tmp_path, monkeypatch):
    script = textwrap.dedent(f"""
        from harness.conduct import conduct
        from harness.execution.processes import Processes
        from harness.spec import Experiment, ReportSpec
        from harness.store import Store
        from tests.execution import fake
        if __name__ == "__main__":
            specs = [fake.spec(seed, journal={str(journal)!r}, stall_at=0 if seed == 1 else None) for seed in range(3)]
            experiment = Experiment("quick", tuple(specs), (), (0,), ReportSpec(), "quick.yaml")
            with Processes("tests.execution.fake:run", threads=1) as executor:
                conduct(experiment, Store({str(store.results)!r}, "quick"), executor, fingerprints=fake.fingerprints)
    """)
    (tmp_path / "script.py").write_text(script)
    coordinator = subprocess.Popen([sys.executable, tmp_path / "script.py"],
                                   env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 60
    while not (journal.exists() and len(seeds_in(journal)) == 2) and time.monotonic() < deadline:
        time.sleep(0.02)
    specs = [fake.spec(seed, journal=str(journal), stall_at=0 if seed == 1 else None) for seed in range(3)]
    ids = [spec.id("d0", "w0") for spec in specs]
    with pytest.raises(UsageError, match=f"already being run by process {coordinator.pid} "):
        go(store, *specs)
    assert [store.status(trial) for trial in ids] == ["finished", "running", "missing"]
    os.kill(coordinator.pid, signal.SIGKILL)
    coordinator.wait()
    assert [store.status(trial) for trial in ids] == ["finished", "interrupted", "missing"]

    heard = Heard()
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # what stalled there does not stall here
    assert counts(go(store, *specs, progress=heard)) == (3, 2, 1, 0, 0, 0)
    assert heard.notes[0] == ("planned", ["finished", "interrupted", "missing"])
    assert seeds_in(journal) == [0, 1, 1, 2]


def test_a_full_disk_stops_the_run_with_one_line(store, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("harness.folders.write_file", full)
    with pytest.raises(UsageError, match=r"quick: cannot keep trial [0-9a-f]{16}: No space left on device"):
        go(store, fake.spec(0), fake.spec(1))


def test_a_folder_that_is_not_trusted_is_named_and_its_trial_runs(store):
    trial = fake.spec().id("d0", "w0")
    store.path(trial).mkdir(parents=True)
    heard = Heard()
    assert counts(go(store, fake.spec(), progress=heard)) == (1, 1, 0, 0, 0, 0)
    assert ("warning", f"{store.path(trial)} is not trusted: no readable record.json") in heard.notes
    assert store.status(trial) == "finished"

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from harness.config.spec import Experiment, ReportSpec, RunOptions
from harness.errors import Resumable, UsageError
from harness.runner.attempts import Attempt, judge
from harness.runner.coordinator import Policy, Progress, run_trials
from harness.runner.executors.base import Failed
from harness.runner.executors.inline import Inline
from harness.runner.executors.processes import Processes
from harness.runner.heartbeat import read_heartbeat
from harness.runner.signals import STOP, Interrupts
from harness.search.grid import Grid
from harness.search.trial_source import PlannedTrial
from harness.store.mlflow_tracker import Tracker
from harness.store.store import Store
from tests.runner.executors import fake

ROOT = Path(__file__).parents[2]
RUN = "tests.runner.executors.fake:run"
ONCE = Policy(retries=0)


class Heard(Progress):
    """Notes every callback; ``on_step`` is called at each step."""

    def __init__(self, on_step=lambda step: None):
        self.notes = []
        self.on_step = on_step

    def planned(self, total, done):
        self.notes.append(("planned", total, done))

    def started(self, trial):
        self.notes.append(("started", trial.label))

    def step(self, trial, step, worker):
        self.on_step(step)

    def finished(self, trial, result):
        self.notes.append(("finished", result.scores["pck@0.1"]))

    def failed(self, trial, reason):
        self.notes.append(("failed", reason))

    def repeated(self, trial, reason, how):
        self.notes.append(("repeated", reason, how))

    def pruned(self, trial, reason):
        self.notes.append(("pruned", reason))

    def interrupted(self, trial):
        self.notes.append(("interrupted", trial.label))

    def warning(self, text):
        self.notes.append(("warning", text))


class Recorder(Tracker):
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


def grid(store, *specs, force=False):
    return Grid(Experiment("quick", specs, (), (0,), ReportSpec(), "quick.yaml"), store, fake.fingerprints, force)


def go(store, *specs, executor=None, force=False, policy=ONCE, **options):
    return run_trials(grid(store, *specs, force=force), store, executor or Inline(RUN), policy=policy, **options)


def counts(summary):
    return (summary.planned, summary.done, summary.skipped, summary.failed, summary.interrupted, summary.left)


def seeds_in(journal):
    return [int(line.split()[0]) for line in journal.read_text().splitlines()]


def test_trials_run_in_planned_order_and_are_told(store):
    heard, mirrored = Heard(), Recorder()
    summary = go(store, fake.spec(1), fake.spec(0, raise_at=2), progress=heard, tracker=mirrored)
    assert counts(summary) == (2, 1, 0, 1, 0, 0)
    assert heard.notes == [("planned", 2, 0), ("started", "seed=1"), ("finished", 1.5),
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
    assert heard.notes[0] == ("planned", 4, 1)
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

    heard, mirrored, before = Heard(interrupt), Recorder(), signal.getsignal(signal.SIGINT)
    summary = go(store, fake.spec(0), fake.spec(1), progress=heard, tracker=mirrored)
    assert (counts(summary), summary.signal) == ((2, 1, 0, 0, 0, 1), signal.SIGINT)
    assert ("warning", "stopping when what runs has ended; Ctrl-C again stops it now") in heard.notes
    assert mirrored.notes[-1] == "KILLED"
    assert signal.getsignal(signal.SIGINT) is before  # which ignores it where a shell began the tests with `&`
    assert counts(go(store, fake.spec(0), fake.spec(1))) == (2, 1, 1, 0, 0, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_finds_nothing_left_to_do_changes_nothing(store, number):
    class Late(Heard):
        def finished(self, trial, result):
            if trial.spec.seed == 2:
                os.kill(os.getpid(), number)

    mirrored = Recorder()
    summary = go(store, *(fake.spec(seed) for seed in range(3)), progress=Late(), tracker=mirrored)
    assert (counts(summary), summary.signal) == ((3, 3, 0, 0, 0, 0), 0)
    assert mirrored.notes[-1] == "FINISHED"


def test_the_last_trial_may_end_after_an_interrupt_and_then_all_is_done(store):
    heard = Heard(lambda step: step.step == 1 and os.kill(os.getpid(), signal.SIGINT))
    go(store, fake.spec(0))
    assert go(store, fake.spec(0), fake.spec(1), progress=heard).signal == 0
    assert ("warning", "stopping when what runs has ended; Ctrl-C again stops it now") in heard.notes


def test_an_interrupt_before_a_trial_is_tried_again_leaves_it_to_the_next_run(store):
    heard = Heard(lambda step: step.step == 1 and os.kill(os.getpid(), signal.SIGINT))
    summary = go(store, fake.spec(0, raise_at=2), policy=Policy(retries=1), progress=heard)
    assert (counts(summary), summary.signal) == ((1, 0, 0, 0, 1, 0), signal.SIGINT)
    reason = store.record(fake.spec(0, raise_at=2).id("d0", "w0"))["reason"]
    assert reason == "stopped before it was tried again: ValueError: it went wrong"


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
            time.sleep(0.05)  # signals that come together count as one

    with Processes(RUN, threads=1) as executor, pytest.raises(KeyboardInterrupt):
        go(store, fake.spec(stall_at=1), executor=executor, progress=Heard(interrupt))
    assert store.records() == []
    with store.lock():
        pass


def test_a_killed_coordinator_resumes_where_it_was(store, journal, tmp_path, monkeypatch):
    script = textwrap.dedent(f"""
        from harness.runner.coordinator import run_trials
        from harness.runner.executors.processes import Processes
        from harness.search.grid import Grid
        from harness.config.spec import Experiment, ReportSpec, RunOptions
        from harness.store.store import Store
        from tests.runner.executors import fake
        if __name__ == "__main__":
            specs = [fake.spec(seed, journal={str(journal)!r}, stall_at=0 if seed == 1 else None) for seed in range(3)]
            experiment = Experiment("quick", tuple(specs), (), (0,), ReportSpec(), "quick.yaml")
            store = Store({str(store.results)!r}, "quick")
            with Processes("tests.runner.executors.fake:run", threads=1) as executor:
                run_trials(Grid(experiment, store, fake.fingerprints), store, executor)
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
    assert heard.notes[:2] == [("planned", 3, 1), (
        "warning", f"1 under way when process {coordinator.pid} died, to be run again: {ids[1]}")]
    assert seeds_in(journal) == [0, 1, 1, 2]


def full(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_stays_full_ends_the_run_with_one_line(store, monkeypatch):
    monkeypatch.setattr("harness.runner.record_writer.PATIENCE", 0.0)
    monkeypatch.setattr("harness.store.atomic_files.write_file", full)
    with pytest.raises(Resumable, match=r"quick: cannot keep trial \w{16}: No space left on device; every record"):
        go(store, fake.spec(0), fake.spec(1))
    monkeypatch.undo()
    assert counts(go(store, fake.spec(0), fake.spec(1))) == (2, 2, 0, 0, 0, 0)


@pytest.mark.parametrize("call", ["write_file", "replace_file_unsynced"])
def test_a_disk_that_was_full_for_a_while_costs_no_trial(store, journal, monkeypatch, call):
    monkeypatch.setattr("harness.runner.record_writer.RETRY_SECONDS", 0.0)
    place = "harness.store.atomic_files.write_file" if call == "write_file" else f"harness.store.store.{call}"
    module, _, name = place.rpartition(".")
    whole = getattr(sys.modules[module], name)
    refusals = iter([True, True, True])
    monkeypatch.setattr(place, lambda *given: full() if next(refusals, False) else whole(*given))
    heard = Heard()
    specs = fake.spec(0, journal=str(journal)), fake.spec(1, journal=str(journal))
    assert counts(go(store, *specs, progress=heard)) == (2, 2, 0, 0, 0, 0), heard.notes
    assert seeds_in(journal) == [0, 1]
    assert [kind for kind, *_ in heard.notes].count("warning") == 1
    assert next(refusals, None) is None


def test_a_folder_that_is_not_trusted_is_set_aside_and_named_and_its_trial_runs(store):
    trial = fake.spec().id("d0", "w0")
    store.path(trial).mkdir(parents=True)
    (store.path(trial) / "thesis.txt").write_text("years of work")
    heard = Heard()
    assert counts(go(store, fake.spec(), progress=heard)) == (1, 1, 0, 0, 0, 0)
    (aside,) = (store.folder / "set_aside").iterdir()
    said = f"{store.path(trial)} is not trusted: no readable record.json; set aside as {aside}"
    assert ("warning", said) in heard.notes
    assert (aside / "thesis.txt").read_text() == "years of work"
    assert store.status(trial) == "finished"


def attempts_of(store, spec):
    return [(attempt["cause"], attempt["reason"], attempt["options"].get("micro_batch"))
            for attempt in store.record(spec.id("d0", "w0"))["attempts"]]


def test_a_trial_that_broke_is_tried_again_and_its_record_says_why(store, journal, processes):
    heard, mirrored, spec = Heard(), Recorder(), fake.spec(0, journal=str(journal), die_at=2, times=1)
    options = {"executor": processes, "policy": Policy(), "progress": heard, "tracker": mirrored}
    assert counts(go(store, spec, fake.spec(1), **options)) == (2, 2, 0, 0, 0, 0)
    killed = "the worker was killed by SIGKILL (perhaps out of memory)"
    assert attempts_of(store, spec) == [("died", killed, 0)]
    assert ("repeated", killed, "attempt 2") in heard.notes
    assert seeds_in(journal) == [0, 0]
    assert [note for note in mirrored.notes if note.startswith("started")] == ["started seed=0", "started seed=1"]


def test_a_trial_that_raises_the_same_twice_is_given_up_and_the_next_run_carries_its_history_on(store, journal):
    spec = fake.spec(0, journal=str(journal), raise_at=1)
    assert counts(go(store, spec, policy=Policy(retries=2))) == (1, 0, 0, 1, 0, 0)
    assert seeds_in(journal) == [0, 0]
    broke = ("error", "ValueError: it went wrong", 0)
    assert attempts_of(store, spec) == [broke]
    assert counts(go(store, spec)) == (1, 0, 0, 1, 0, 0)
    assert attempts_of(store, spec) == [broke, ("failed", "ValueError: it went wrong", None)]


@pytest.mark.parametrize(("cause", "reasons", "attempts"), [
    ("error", ("OSError: busy", "OSError: away", "OSError: gone"), 3),
    ("error", ("OSError: busy", "OSError: busy", "OSError: busy"), 2),
    ("error", ("OSError: busy", "KeyError: 'maps'", "OSError: busy"), 2),
    ("error", ("IndexError: tuple index out of range",) * 3, 1),
    ("died", ("killed by SIGKILL",) * 3, 3),
    ("timeout", ("no result within 3 s",) * 3, 3),
    ("usage", ("no such thing",) * 3, 1),
])
def test_what_raises_again_is_not_tried_a_third_time(cause, reasons, attempts):
    attempt = Attempt(PlannedTrial("t", fake.spec(0), "title", {}, "missing"), RunOptions())
    tried = 0
    for reason in reasons:
        verdict = judge(attempt, Failed("t", cause, reason), Policy(retries=2))
        tried += 1
        if verdict.retry is None:
            break
        attempt = attempt.next_attempt(verdict)
    assert tried == attempts


def test_a_closed_terminal_stops_the_run_and_nohup_keeps_it():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may have begun the tests
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert interrupts.level == STOP
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert interrupts.level == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_cannot_go_well_is_not_tried_again(store, journal):
    nan = {"status": "failed", "reason": "loss is nan at step 3"}
    specs = fake.spec(0, journal=str(journal), changes=nan), fake.spec(1, journal=str(journal), misuse=True)
    assert counts(go(store, *specs, policy=Policy())) == (2, 0, 0, 2, 0, 0)
    assert seeds_in(journal) == [0, 1]
    assert [attempts_of(store, spec) for spec in specs] == [[], []]


def test_out_of_memory_halves_the_micro_batch_until_it_fits(store, journal):
    heard, spec = Heard(), fake.spec(0, journal=str(journal), fits=1)
    assert spec.scenes_per_step == 6
    assert counts(go(store, spec, policy=Policy(retries=1), progress=heard)) == (1, 1, 0, 0, 0, 0)
    assert [(cause, batch) for cause, _, batch in attempts_of(store, spec)] == [("memory", 0), ("memory", 3)]
    assert [note[2] for note in heard.notes if note[0] == "repeated"] == [
        "attempt 2 with 3 scenes per backward pass", "attempt 3 with 1 scenes per backward pass"]


def test_out_of_memory_with_one_scene_is_final(store):
    spec = fake.spec(0, fits=0)
    assert counts(go(store, spec, policy=Policy())) == (1, 0, 0, 1, 0, 0)
    assert [batch for _, _, batch in attempts_of(store, spec)] == [0, 3]
    assert store.record(spec.id("d0", "w0"))["status"] == "failed"


class Stuck(Inline):
    """Never comes back with a trial of seed 0, unless it is stopped."""

    def wait(self, handle, seconds=None):
        if self._next.spec.seed or self._cancelled == self._next.id:
            super().wait(handle, seconds)
        else:
            time.sleep(0.01)


def test_a_trial_that_takes_too_long_is_stopped_and_the_next_one_runs(store):
    specs, policy = [fake.spec(0), fake.spec(1)], Policy(retries=1, timeout=0.05)
    heard = Heard()
    assert counts(go(store, *specs, executor=Stuck(RUN), policy=policy, progress=heard)) == (2, 1, 0, 1, 0, 0)
    assert attempts_of(store, specs[0]) == [("timeout", "no result within 0.05 s", 0)]
    assert heard.notes.count(("failed", "no result within 0.05 s")) == 1


def test_a_run_gives_up_after_failures_in_a_row_and_a_success_starts_the_count_anew(store):
    bad, good = [fake.spec(seed, raise_at=1) for seed in range(4)], [fake.spec(seed) for seed in range(4)]
    policy = Policy(retries=1, failures_in_a_row=2)
    summary = go(store, bad[0], good[1], bad[1], bad[2], good[2], good[3], policy=policy)
    assert counts(summary) == (6, 1, 0, 3, 0, 2)
    assert summary.stopped == "2 trials in a row failed, the last one: ValueError: it went wrong"
    assert go(store, *bad, policy=Policy(retries=0, failures_in_a_row=0)).stopped == ""


class Picky(Grid):
    """Prunes one seed at its first step, and notes what it is told."""

    def report_step(self, trial, step):
        return trial.spec.seed == 0

    def report_end(self, trial, record):
        self.told = [*getattr(self, "told", []), (trial.label, record["status"])]


@pytest.mark.parametrize("where", ["inline", "processes"])
def test_a_source_prunes_a_trial_and_is_told_how_each_ended(store, processes, where):
    executor, stall = (Inline(RUN), None) if where == "inline" else (processes, 1)
    heard, specs = Heard(), (fake.spec(0, stall_at=stall), fake.spec(1))
    source = Picky(Experiment("quick", specs, (), (0,), ReportSpec(), "quick.yaml"), store, fake.fingerprints)
    summary = run_trials(source, store, executor, policy=Policy(), progress=heard)
    assert (summary.done, summary.pruned, summary.failed, summary.left) == (1, 1, 0, 0)
    assert source.told == [("seed=0", "pruned"), ("seed=1", "finished")]
    assert ("pruned", "pruned at step 1 of 4") in heard.notes
    assert store.record(specs[0].id("d0", "w0"))["reason"] == "pruned at step 1 of 4"


def test_probing_is_asked_of_every_trial(store):
    asked = []

    class Noting(Inline):
        def submit(self, task):
            asked.append(task.options)
            super().submit(task)

    go(store, fake.spec(0), executor=Noting(RUN), policy=Policy(probe_every=7))
    assert asked == [RunOptions(probe_every=7)]


def test_a_result_that_cannot_be_written_fails_its_trial_alone(store):
    crooked = {"points": {"scene": [0], "error": [0.1, 0.2]}}
    assert counts(go(store, fake.spec(0, changes=crooked), fake.spec(1))) == (2, 1, 0, 1, 0, 0)
    record = store.record(fake.spec(0, changes=crooked).id("d0", "w0"))
    assert record["reason"].startswith("its result cannot be kept: ArrowInvalid")


def test_where_the_run_stands_can_be_read_while_it_goes_on(store):
    seen = []
    go(store, fake.spec(0), fake.spec(1), progress=Heard(lambda step: seen.append(read_heartbeat(store.folder))))
    first = seen[0]
    assert (first["pid"], first["total"], first["skipped"], first["ended"]) == (os.getpid(), 2, 0, {})
    assert [running["label"] for running in first["running"].values()] == ["seed=0"]
    last = read_heartbeat(store.folder)
    assert (last["ended"], last["running"]) == ({"finished": 2}, {})


def test_probing_at_other_steps_than_a_pruner_reads_is_refused(store, journal):
    class Reading(Grid):
        def options(self):
            return RunOptions(probe_every=2)

    def reading(probe):
        trials = (fake.spec(0, journal=str(journal)),)
        source = Reading(Experiment("quick", trials, (), (0,), ReportSpec(), "quick.yaml"), store, fake.fingerprints)
        return run_trials(source, store, Inline(RUN), policy=Policy(probe_every=probe))

    with pytest.raises(UsageError, match=r"^--probe 100: this search's pruner reads its trials every 2 steps; "):
        reading(100)
    assert not journal.exists()
    assert reading(2).done == 1


def test_a_run_that_raised_is_over(store):
    class Breaking(Heard):
        def started(self, trial):
            if trial.label == "seed=1":
                raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        go(store, fake.spec(0), fake.spec(1), progress=Breaking())
    last = read_heartbeat(store.folder)
    assert (last["ended"], last["over"]) == ({"finished": 1}, True)

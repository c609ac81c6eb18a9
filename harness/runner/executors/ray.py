"""Trials on a Ray cluster: a warm actor for each GPU, or for some CPUs; a node that is lost takes a try, no trial."""

import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import UsageError
from harness.runner import environment
from harness.runner.executors import ray_cluster, worker_handle
from harness.runner.executors.base import RUN, Cause, Closing, Done, Event, Failed, Stepped, Task
from harness.runner.executors.ray_actor import Actor

LOOK = 1.0  # seconds between looks at the cluster
PAUSE = 30.0  # seconds before workers are started again after one could not start


class Ray(Closing):
    """Runs trials on every node of a cluster, as many at once as are asked for, else as its nodes have room for.

    ``address`` is HOST:PORT of the cluster, `auto` for the one that this machine is a node of, None for that one where
    there is one, else one on this machine alone. A worker takes one GPU, and ``threads`` CPUs where they are given;
    without GPUs it takes ``threads`` CPUs, by default 1 or the share of ``workers``. What libraries print goes to Ray's
    logs on the node. Raises UsageError where no cluster answers, or where no node has room for a worker.
    """

    def __init__(self, run: str = RUN, *, address: str | None = None, workers: int | None = None,
                 threads: int | None = None) -> None:
        for name, number in (("workers", workers), ("threads", threads)):
            if number is not None and number < 1:
                raise UsageError(f"{name}: {number} is out of range; expected 1 or more")
        self._leave = ray_cluster.join(address)
        nodes = ray_cluster.nodes()
        self._needs = ray_cluster.needs(nodes, workers, threads)
        self._limit = workers
        self._starting: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._busy: dict[Any, _Try] = {}  # by the stream of what the trial reports
        self._looked = self._failed = -PAUSE
        self._notes: list[str] = []  # for the user, with the next result
        if not ray_cluster.room(nodes, self._needs):
            self.close()
            wanted = " and ".join(f"{much} {what}" for what, much in self._needs.items() if much)
            raise UsageError(f"--executor ray: no node of the cluster has {wanted} for a worker")
        self._options = run, ray_cluster.share(nodes, self._needs)

    @property
    def workers(self) -> int:
        """How many workers are up, which changes as they start and as nodes come and go; at least 1 to wait for."""
        self._look()
        return max(1, len(self._idle) + len(self._busy))

    def warm(self) -> None:
        """Begin starting as many workers as there is room for."""
        self._look()

    def submit(self, task: Task) -> None:
        """Hand the trial to an idle worker, best to one that has its model and data; else to one that is starting."""
        if len(self._busy) >= self.workers:
            raise RuntimeError(f"as many trials as there are workers ({len(self._busy)}) are under way already")
        wanted, waiting = worker_handle.load(task), self._idle or self._starting
        worker = min(waiting, key=lambda w: (w.loaded != wanted, w.loaded != "")) if waiting else self._start()
        if waiting:
            waiting.remove(worker)
        worker.loaded = wanted
        self._busy[worker.actor.attempt.options(num_returns="streaming").remote(task)] = _Try(task, worker)

    def wait(self, handle: Callable[[Event], None], seconds: float | None = None) -> None:
        """Pass on events as they come, until a trial has ended or ``seconds`` have passed."""
        import ray

        deadline = None if seconds is None else time.monotonic() + seconds
        while self._busy:
            now = time.monotonic()
            if deadline is not None and deadline < now:
                return
            for run in self._busy.values():
                run.kill_if_overdue(now)
            moments = (deadline, *(run.deadline for run in self._busy.values()))
            left = min((moment - now for moment in moments if moment is not None), default=None)
            ready, _ = ray.wait(list(self._busy), timeout=left, fetch_local=False)
            if ready:
                event = self._receive(ready[0])
                handle(event)
                if not isinstance(event, Stepped):
                    return

    def cancel(self, trial: str) -> None:
        """Stop the trial at its next step, else kill its worker; the others go on."""
        for run in self._busy.values():
            if run.task.id == trial and not run.cancelled:
                run.cancelled, run.deadline = True, time.monotonic() + worker_handle.GRACE
                run.worker.actor.stop.remote(trial)

    def close(self) -> None:
        """Kill every worker and leave the cluster; one that was started here stops."""
        import ray

        for worker in (*self._starting, *self._idle, *(run.worker for run in self._busy.values())):
            ray.kill(worker.actor)
        self._starting, self._idle, self._busy = [], [], {}
        if self._leave:
            ray.shutdown()
            self._leave = False

    def _receive(self, stream: Any) -> Event:
        """Return the next event of a stream that has one. Where its trial ended, its worker is idle, or gone."""
        import ray

        run = self._busy[stream]
        try:
            content = ray.get(next(stream))
        except (ray.exceptions.RayError, StopIteration) as error:
            del self._busy[stream]
            return _lost(run, error)
        event: Event
        try:
            event, leaving = pickle.loads(content)
        except Exception as error:  # a plug-in's class may raise anything when it is read
            reason = f"its result cannot be read: {type(error).__name__}: {error}"
            event, leaving = Failed(run.task.id, "error", reason), False
        if isinstance(event, Stepped):
            return event
        del self._busy[stream]
        if leaving:
            ray.kill(run.worker.actor)
        else:
            (self._idle if run.worker.settled() else self._starting).append(run.worker)
        if isinstance(event, Done):
            event, self._notes = replace(event, warnings=(*event.warnings, *self._notes)), []
        return event

    def _look(self) -> None:
        """See which workers are up and which nodes are gone, and start workers where there is room for more."""
        if time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        nodes = ray_cluster.nodes()
        for worker in [worker for worker in self._starting if worker.settled()]:
            self._starting.remove(worker)
            if worker.node:
                self._idle.append(worker)
            else:
                self._failed = self._looked
                self._notes += [worker.problem] if worker.problem not in self._notes else []
        self._idle = [worker for worker in self._idle if worker.node in nodes]
        room = ray_cluster.room(nodes, self._needs)
        wanted = room if self._limit is None else min(room, self._limit)
        missing = wanted - len(self._idle) - len(self._busy) - len(self._starting)
        if self._looked - self._failed >= PAUSE:
            self._starting += [self._start() for _ in range(missing)]

    def _start(self) -> "_Worker":
        import ray

        takes = {"num_cpus": self._needs["CPU"], "num_gpus": self._needs.get("GPU", 0)}
        kind = ray.remote(Actor).options(**takes, max_restarts=0, max_concurrency=2)
        actor = kind.remote(*self._options, environment.code())
        return _Worker(actor, actor.place.remote())


@dataclass(eq=False)
class _Worker:
    """The coordinator's end of an actor; its node and name are known once it is up, its load once it had a trial."""

    actor: Any
    placed: Any  # a reference to what its `place` returns
    node: str = ""
    name: str = ""
    loaded: str = ""
    problem: str = ""

    def settled(self) -> bool:
        """Return whether the actor's start is over: then its node is known, or the problem."""
        import ray

        if not self.node:
            try:
                self.node, self.name = ray.get(self.placed, timeout=0)
            except ray.exceptions.GetTimeoutError:
                return False
            except ray.exceptions.RayError as error:
                self.problem = _why(error)
        return True


@dataclass
class _Try:
    """A trial under way; one that was cancelled is killed at the deadline (of time.monotonic)."""

    task: Task
    worker: _Worker
    cancelled: bool = False
    deadline: float | None = None

    def kill_if_overdue(self, now: float) -> None:
        """Kill a cancelled trial that did not come to its next step: its worker holds nothing that is not stored."""
        import ray

        if self.deadline is not None and self.deadline <= now:
            self.deadline = None
            ray.kill(self.worker.actor)


def _lost(run: _Try, error: BaseException) -> Failed:
    """Return how a trial ended with its worker."""
    import ray

    ray.kill(run.worker.actor)  # where only its node is out of reach it may live on
    if run.cancelled:
        return Failed(run.task.id, "cancelled", "stopped")
    run.worker.settled()
    cause: Cause = "memory" if isinstance(error, ray.exceptions.OutOfMemoryError) else "died"
    return Failed(run.task.id, cause, _why(error), environment={"node": run.worker.name} if run.worker.name else {})


def _why(error: BaseException) -> str:
    """Return what Ray says of a worker's end: its last line, without the advice."""
    import ray

    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return "the worker is out of reach: its node died, or the network did"
    *_, last = [line for line in str(error).splitlines() if line.strip() and not line.startswith("\t")] or ["no reason"]
    words = last.partition(" Some common causes")[0].rpartition("Worker exit detail:")[2].split()
    return f"the worker died: {' '.join(words)[:300]}"

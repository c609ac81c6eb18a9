"""Runs trials on a Ray cluster, in one actor per GPU or per some CPUs; a lost node costs an attempt."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from harness import user_cache
from harness.errors import UsageError
from harness.runner.executors import ray_cluster, worker_handle
from harness.runner.executors.base import RUN, Cause, Done, Event, Executor, Failed, Stepped, Task
from harness.runner.executors.messages import unpack
from harness.runner.executors.ray_actor import Actor

REFRESH = 1.0  # seconds between two queries of the cluster
PAUSE = 30.0  # seconds without new workers after one has failed to start


class Ray(Executor):
    """Runs trials on every node of a cluster, by default as many at once as fit on its nodes.

    ``address`` is HOST:PORT of the cluster, or `auto` for the cluster of this machine. None also means that one, and
    starts a cluster on this machine alone if there is none. A worker takes one GPU, and ``threads`` CPUs if given.
    Without GPUs it takes ``threads`` CPUs, by default 1, or its share if ``workers`` is given. The output of libraries
    goes to Ray's logs on the node. Raises UsageError if no cluster answers, or if no node has room for a worker.
    """

    def __init__(self, run: str = RUN, *, address: str | None = None, workers: int | None = None,
                 threads: int | None = None) -> None:
        for name, number in (("workers", workers), ("threads", threads)):
            if number is not None and number < 1:
                raise UsageError(f"{name}: {number} is out of range; expected 1 or more")
        self._connected = ray_cluster.connect(address)
        nodes = ray_cluster.nodes()
        self._needs = ray_cluster.worker_needs(nodes, workers, threads)
        self._limit = workers
        self._starting: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._busy: dict[Any, _RunningTrial] = {}  # by the stream of its messages
        self._refreshed = self._failed = -PAUSE
        self._warnings: list[str] = []  # for the user, with the next result
        if not ray_cluster.count_workers(nodes, self._needs):
            self.close()
            needs = " and ".join(f"{amount} {resource}" for resource, amount in self._needs.items() if amount)
            raise UsageError(f"--executor ray: no node of the cluster has {needs} for a worker")
        self._options = run, ray_cluster.threads_per_worker(nodes, self._needs)

    @property
    def workers(self) -> int:
        """The number of workers that have started, at least 1; it changes as nodes come and go."""
        self._refresh()
        return max(1, len(self._idle) + len(self._busy))

    def warm(self) -> None:
        """Start as many workers as the cluster has room for, without waiting for them."""
        self._refresh()

    def submit(self, task: Task) -> None:
        """Send the trial to an idle worker, preferably one with its model and data, else to one that is starting."""
        if len(self._busy) >= self.workers:
            raise RuntimeError(f"as many trials as there are workers ({len(self._busy)}) are under way already")
        key, free = worker_handle.load_key(task), self._idle or self._starting
        worker = min(free, key=lambda w: (w.loaded != key, w.loaded != "")) if free else self._start()
        if free:
            free.remove(worker)
        worker.loaded = key
        self._busy[worker.actor.run_task.options(num_returns="streaming").remote(task)] = _RunningTrial(task, worker)

    def wait(self, handle: Callable[[Event], None], seconds: float | None = None) -> None:
        """Pass events on until a trial has ended or ``seconds`` have passed."""
        import ray

        deadline = None if seconds is None else time.monotonic() + seconds
        while self._busy:
            now = time.monotonic()
            if deadline is not None and deadline < now:
                return
            for running in self._busy.values():
                running.kill_if_overdue(now)
            moments = (deadline, *(running.deadline for running in self._busy.values()))
            left = min((moment - now for moment in moments if moment is not None), default=None)
            ready, _ = ray.wait(list(self._busy), timeout=left, fetch_local=False)
            if ready:
                event = self._receive(ready[0])
                handle(event)
                if not isinstance(event, Stepped):
                    return

    def cancel(self, trial: str) -> None:
        """Stop the trial at its next step, or kill its worker after a while; other trials go on."""
        for running in self._busy.values():
            if running.task.id == trial and not running.cancelled:
                running.cancelled, running.deadline = True, time.monotonic() + worker_handle.GRACE
                running.worker.actor.stop.remote(trial)

    def close(self) -> None:
        """Kill every worker and leave the cluster; a cluster that was started here stops."""
        import ray

        for worker in (*self._starting, *self._idle, *(running.worker for running in self._busy.values())):
            ray.kill(worker.actor)
        self._starting, self._idle, self._busy = [], [], {}
        if self._connected:
            ray.shutdown()
            self._connected = False

    def _receive(self, stream: Any) -> Event:
        """Return the next event of a stream that has one; after its trial's end the worker is idle, or dead."""
        import ray

        running = self._busy[stream]
        try:
            content = ray.get(next(stream))
        except (ray.exceptions.RayError, StopIteration) as error:
            del self._busy[stream]
            return _failure(running, error)
        event, exiting = unpack(content, running.task.id)
        if isinstance(event, Stepped):
            return event
        del self._busy[stream]
        if exiting:
            ray.kill(running.worker.actor)
        else:
            (self._idle if running.worker.is_resolved() else self._starting).append(running.worker)
        if isinstance(event, Done):
            event, self._warnings = replace(event, warnings=(*event.warnings, *self._warnings)), []
        return event

    def _refresh(self) -> None:
        """Update the lists of workers, drop those on lost nodes, and start new ones if there is room."""
        if time.monotonic() - self._refreshed < REFRESH:
            return
        self._refreshed = time.monotonic()
        nodes = ray_cluster.nodes()
        for worker in [worker for worker in self._starting if worker.is_resolved()]:
            self._starting.remove(worker)
            if worker.node:
                self._idle.append(worker)
            else:
                self._failed = self._refreshed
                self._warnings += [worker.problem] if worker.problem not in self._warnings else []
        self._idle = [worker for worker in self._idle if worker.node in nodes]
        room = ray_cluster.count_workers(nodes, self._needs)
        target = room if self._limit is None else min(room, self._limit)
        missing = target - len(self._idle) - len(self._busy) - len(self._starting)
        if self._refreshed - self._failed >= PAUSE:
            self._starting += [self._start() for _ in range(missing)]

    def _start(self) -> "_Worker":
        import ray

        resources = {"num_cpus": self._needs["CPU"], "num_gpus": self._needs.get("GPU", 0)}
        kind = ray.remote(Actor).options(**resources, max_restarts=0, max_concurrency=2)
        actor = kind.remote(*self._options, user_cache.code_hash())
        return _Worker(actor, actor.location.remote())


@dataclass(eq=False)
class _Worker:
    """The coordinator's handle on an actor; its node and name are known once it has started."""

    actor: Any
    located: Any  # Ray's reference to the result of its `location`
    node: str = ""
    name: str = ""
    loaded: str = ""
    problem: str = ""

    def is_resolved(self) -> bool:
        """Return True if the actor has started or failed to start: its node is known, or its problem."""
        import ray

        if not self.node:
            try:
                self.node, self.name = ray.get(self.located, timeout=0)
            except ray.exceptions.GetTimeoutError:
                return False
            except ray.exceptions.RayError as error:
                self.problem = _reason(error)
        return True


@dataclass
class _RunningTrial:
    """A running trial; a cancelled one is killed at the deadline (of time.monotonic)."""

    task: Task
    worker: _Worker
    cancelled: bool = False
    deadline: float | None = None

    def kill_if_overdue(self, now: float) -> None:
        """Kill a cancelled trial that has not reached its next step; its worker holds no data that is not stored."""
        import ray

        if self.deadline is not None and self.deadline <= now:
            self.deadline = None
            ray.kill(self.worker.actor)


def _failure(running: _RunningTrial, error: BaseException) -> Failed:
    """Return the failure of a trial whose worker has died."""
    import ray

    worker = running.worker
    ray.kill(worker.actor)  # if only the network failed, it may still run
    if running.cancelled:
        return Failed(running.task.id, "cancelled", "stopped")
    worker.is_resolved()
    cause: Cause = "memory" if isinstance(error, ray.exceptions.OutOfMemoryError) else "died"
    return Failed(running.task.id, cause, _reason(error), environment={"node": worker.name} if worker.name else {})


def _reason(error: BaseException) -> str:
    """Return Ray's reason for a worker's death: the last line of its message, without the advice."""
    import ray

    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return "the worker is out of reach: its node died, or the network did"
    *_, last = [line for line in str(error).splitlines() if line.strip() and not line.startswith("\t")] or ["no reason"]
    words = last.partition(" Some common causes")[0].rpartition("Worker exit detail:")[2].split()
    return f"the worker died: {' '.join(words)[:300]}"

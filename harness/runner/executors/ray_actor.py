"""What runs on a node of a Ray cluster: trials, one after the other, with models kept warm in between."""

import contextlib
import os
import pickle
import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING

from harness.runner import environment
from harness.runner.executors.base import Cancelled, Failed, Stepped, Task, attempt, resolve, spent, throttled

if TYPE_CHECKING:
    from harness.method.optimise import Step


class Actor:
    """Serves trials; Ray gives it a process of its own, with a thread for `attempt` and one for `stop`."""

    def __init__(self, run: str, threads: int, code: str) -> None:
        if code != environment.code():  # the trials of one experiment must not mix them
            raise RuntimeError(f"{platform.node()} has other code than the coordinator; install the same everywhere")
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)  # read when torch is imported
        self._run, self._stopped = run, ""
        self._trials = ThreadPoolExecutor(1)  # one thread for all trials, while this one passes their steps on
        with contextlib.suppress(Exception):
            resolve(run)  # import before a trial comes; what goes wrong here is told by the first one

    def place(self) -> tuple[str, str]:
        """Return the id of this node in Ray, and a name for this worker: the host with its GPU, or with its process."""
        import ray

        context = ray.get_runtime_context()
        gpus = context.get_accelerator_ids().get("GPU")
        return context.get_node_id(), f"{platform.node()}/{','.join(gpus) if gpus else os.getpid()}"

    def stop(self, trial: str) -> None:
        """Stop the trial at its next step."""
        self._stopped = trial

    def attempt(self, task: Task) -> Iterator[bytes]:
        """Run a trial; yield its steps, then how it ended, each pickled with a flag: this process is spent."""
        _, name = self.place()
        self._stopped = ""
        steps: SimpleQueue[Step | None] = SimpleQueue()
        report = throttled(steps.put)

        def on_step(step: "Step") -> None:
            report(step)
            if self._stopped == task.id:
                raise Cancelled

        ending = self._trials.submit(attempt, self._run, task, on_step)
        ending.add_done_callback(lambda _: steps.put(None))
        for step in iter(steps.get, None):
            yield pickle.dumps((Stepped(task.id, step, name), False))
        ended = ending.result()
        leaving = spent(ended)
        try:
            content = pickle.dumps((replace(ended, environment={**ended.environment, "node": name}), leaving))
        except Exception as error:  # a plug-in's class may raise anything when it is written
            reason = f"its result cannot be sent: {type(error).__name__}: {error}"
            content = pickle.dumps((Failed(task.id, "error", reason), leaving))
        yield content

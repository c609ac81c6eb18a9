"""The actor on a node of a Ray cluster: it runs trials, one after the other, and keeps models loaded."""

import contextlib
import os
import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pkgutil import resolve_name
from queue import SimpleQueue
from typing import Any

from harness import user_cache
from harness.runner.executors.base import Stepped, Task, must_exit, run_task, step_callback
from harness.runner.executors.messages import pack


class Actor:
    """Runs trials; Ray gives it its own process, with a thread for `run_task` and one for `stop`."""

    def __init__(self, run: str, threads: int, code: str) -> None:
        if code != user_cache.code_hash():  # all trials of an experiment must run the same code
            raise RuntimeError(f"{platform.node()} has other code than the coordinator; install the same everywhere")
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)  # read when torch is imported
        self._run, self._stopped = run, ""
        self._trials = ThreadPoolExecutor(1)  # all trials run in one thread; Ray's thread passes their steps on
        with contextlib.suppress(Exception):
            resolve_name(run)  # imports early; a failing import fails again in the first trial, which reports it

    def location(self) -> tuple[str, str]:
        """Return Ray's id of this node, and a name for this worker: the host with its GPU, or with its process id."""
        import ray

        context = ray.get_runtime_context()
        gpus = context.get_accelerator_ids().get("GPU")
        return context.get_node_id(), f"{platform.node()}/{','.join(gpus) if gpus else os.getpid()}"

    def stop(self, trial: str) -> None:
        """Stop the trial at its next step."""
        self._stopped = trial

    def run_task(self, task: Task) -> Iterator[bytes]:
        """Run a trial; yield its steps, then its end, as `pack` writes them."""
        _, name = self.location()
        self._stopped = ""
        steps: SimpleQueue[Any] = SimpleQueue()
        on_step = step_callback(steps.put, lambda: self._stopped == task.id)
        end = self._trials.submit(run_task, self._run, task, on_step)
        end.add_done_callback(lambda _: steps.put(None))
        for step in iter(steps.get, None):
            yield pack(Stepped(task.id, step, name))
        event = end.result()
        yield pack(replace(event, environment={**event.environment, "node": name}), exiting=must_exit(event))

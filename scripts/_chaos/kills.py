"""Kills workers and coordinators at random times, and starts the coordinator again until all trials are done."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COORDINATOR = Path(__file__).with_name("coordinator.py")
LATEST = 0.9  # the last kill comes before this share of the trials has ended
MAX_RUNS = 10  # of the coordinator after the last kill


@dataclass
class Tally:
    """The numbers of kills, and of starts of the coordinator."""

    workers: int = 0
    coordinators: int = 0
    starts: int = 0


class CoordinatorProcess:
    """The coordinator under test, in its own process."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path, tally: Tally) -> None:
        self._command, self._environment, self._log, self._tally = command, environment, log, tally
        self.start()

    def start(self) -> None:
        """Start the process, also after it has ended."""
        with self._log.open("a") as log:
            self.process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        self._tally.starts += 1

    def workers(self) -> list[int]:
        """Return the pids of its workers."""
        pid = self.process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
        except OSError:
            return []

    def keep_alive(self) -> None:
        """Start the process again if it has ended, as a user would."""
        if self.process.poll() is not None:
            self.start()


def plan_kills(count: int, workers: int, coordinators: int, draw: random.Random) -> Iterator[tuple[float, str]]:
    """Yield kills in order: the number of trials that have ended by then, and the kind of victim."""
    victims = ["worker"] * workers + ["coordinator"] * coordinators
    yield from sorted((draw.uniform(0.0, LATEST * count), victim) for victim in victims)


def carry_out(coordinator: CoordinatorProcess, trials: Path, plan: Iterator[tuple[float, str]], draw: random.Random,
              tally: Tally) -> None:
    """Carry out the planned kills."""
    for moment, victim in plan:
        while _count_ended(trials) < moment:
            coordinator.keep_alive()
            time.sleep(0.01)
        time.sleep(draw.uniform(0.0, 0.1))
        if victim == "coordinator":
            coordinator.keep_alive()
            coordinator.process.kill()
            coordinator.process.wait()
            tally.coordinators += 1
            coordinator.start()
        else:
            while not _kill_one(coordinator.workers(), draw):
                coordinator.keep_alive()
                time.sleep(0.01)
            tally.workers += 1


def run_to_end(coordinator: CoordinatorProcess) -> int:
    """Wait for its end, and start it again while trials are left; return its last exit code."""
    for _ in range(MAX_RUNS):
        code = coordinator.process.wait()
        if code == 0:
            break
        coordinator.start()
    return coordinator.process.wait()


def command(results: Path, file: Path, workers: int) -> list[str]:
    """Return the command that starts the coordinator."""
    return [sys.executable, str(COORDINATOR), str(results), str(file), str(workers)]


def _kill_one(workers: list[int], draw: random.Random) -> bool:
    """Kill a random worker; return False if there is none, or it has died."""
    try:
        os.kill(draw.choice(workers), signal.SIGKILL)
    except (IndexError, ProcessLookupError):
        return False
    return True


def _count_ended(trials: Path) -> int:
    try:
        return sum(not entry.name.startswith(".") for entry in os.scandir(trials))
    except OSError:
        return 0

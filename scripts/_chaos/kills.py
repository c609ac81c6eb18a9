"""Who kills: workers and coordinators at random moments, until all that was planned is done."""

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
LATEST = 0.9  # share of the trials that have ended when the last kill comes
MOST_RUNS = 10  # of the coordinator after the last kill


@dataclass
class Tally:
    """What was killed, and how often the coordinator was started."""

    workers: int = 0
    coordinators: int = 0
    starts: int = 0


class Coordinator:
    """The process under test."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path, tally: Tally) -> None:
        self._command, self._environment, self._log, self._tally = command, environment, log, tally
        self.start()

    def start(self) -> None:
        """Start it, again where it has ended."""
        with self._log.open("a") as log:
            self.process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        self._tally.starts += 1

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        pid = self.process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
        except OSError:
            return []

    def keep_alive(self) -> None:
        """Start it again when it has ended, as a user would."""
        if self.process.poll() is not None:
            self.start()


def moments(count: int, workers: int, coordinators: int, draw: random.Random) -> Iterator[tuple[float, str]]:
    """Yield when to kill what, in order: how many trials have ended by then."""
    victims = ["worker"] * workers + ["coordinator"] * coordinators
    yield from sorted((draw.uniform(0.0, LATEST * count), victim) for victim in victims)


def wreak(coordinator: Coordinator, trials: Path, plan: Iterator[tuple[float, str]], draw: random.Random,
          tally: Tally) -> None:
    """Kill as planned."""
    for moment, victim in plan:
        while _ended(trials) < moment:
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
            while not _killed(coordinator.workers(), draw):
                coordinator.keep_alive()
                time.sleep(0.01)
            tally.workers += 1


def finish(coordinator: Coordinator) -> int:
    """Let it end, again while trials are left that were killed too often; return its last exit code."""
    for _ in range(MOST_RUNS):
        code = coordinator.process.wait()
        if code == 0:
            break
        coordinator.start()
    return coordinator.process.wait()


def command(results: Path, file: Path, workers: int) -> list[str]:
    """Return how the coordinator is started."""
    return [sys.executable, str(COORDINATOR), str(results), str(file), str(workers)]


def _killed(workers: list[int], draw: random.Random) -> bool:
    """Kill one of the workers, if there is one and it lives."""
    try:
        os.kill(draw.choice(workers), signal.SIGKILL)
    except (IndexError, ProcessLookupError):
        return False
    return True


def _ended(trials: Path) -> int:
    try:
        return sum(not entry.name.startswith(".") for entry in os.scandir(trials))
    except OSError:
        return 0

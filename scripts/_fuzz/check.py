"""One damaged input: run the command on it, and say which promise it broke."""

import contextlib
import hashlib
import io
import os
import random
import resource
import signal
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from _fuzz.subjects import Subject
from harness.__main__ import main
from harness.errors import INTERRUPTED, OK, SOME_FAILED, USAGE

ALLOWED = (OK, SOME_FAILED, USAGE, INTERRUPTED)
LONGEST_S = 30
MOST_MB = 1500  # of growth of the process, from one input to the next


class Outcome(NamedTuple):
    """The exit code of one command, and the promises that it broke ("" if none)."""

    code: int
    broken: str
    command: list[str]


class TooSlow(BaseException):
    """Raised by the alarm; no ``except Exception`` may catch it."""


def check(subject: Subject, seed: int) -> Outcome:
    """Run a subject drawn from ``seed`` in a folder of its own."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "input").mkdir()
        command = subject(folder, random.Random(seed))
        before, grown = _contents(folder), _peak_mb()
        code, text = _run(folder, command)
        problems = []
        if code not in ALLOWED:
            problems.append(f"exit code {code}")
        if "Traceback" in text:
            problems.append("a traceback")
        if _contents(folder) != before:
            problems.append("a file outside results/ was changed")
        if _peak_mb() - grown > MOST_MB:
            problems.append(f"{_peak_mb() - grown:.0f} MB")
        return Outcome(code, f"{'; '.join(problems)}: {text[-1500:]}" if problems else "", command)


def _run(folder: Path, command: list[str]) -> tuple[int, str]:
    """Return the exit code, and what was printed."""
    output = io.StringIO()
    with _inside(folder), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output), _alarm():
        try:
            code = main(command)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except TooSlow:
            code = 124
            output.write(f"not done after {LONGEST_S} s\n{traceback.format_exc().replace('Traceback', 'Stack')}")
    return code, output.getvalue()


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder, with a cache and results of its own."""
    place, variables = Path.cwd(), dict(os.environ)
    os.chdir(folder)
    os.environ |= {"HARNESS_CACHE": str(folder / "results" / "cache"), "HARNESS_RESULTS": "results",
                   "HF_HUB_OFFLINE": "1"}
    os.environ.pop("HARNESS_DEBUG", None)
    try:
        yield
    finally:
        os.chdir(place)
        os.environ.clear()
        os.environ |= variables


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    """Interrupt what takes LONGEST_S of processor time, or ten times as long by the clock: the machine may be busy."""
    def ring(*_: object) -> None:
        raise TooSlow

    before = {each: signal.signal(each, ring) for each in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
    signal.alarm(10 * LONGEST_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for each, handler in before.items():
            signal.signal(each, handler)


def _contents(folder: Path) -> dict[str, str]:
    """Return a hash of every file but those in results/."""
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file() and path.relative_to(folder).parts[0] != "results"}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(subject: Subject, seed: int) -> tuple[Outcome, float]:
    """Return the outcome and its seconds."""
    started = time.perf_counter()
    return check(subject, seed), time.perf_counter() - started

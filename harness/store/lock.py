"""The lock of an experiment: one coordinator at a time. A lock file names its holder and ends with it."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from harness.errors import UsageError
from harness.store.atomic_files import make_folder

if sys.platform != "win32":
    import fcntl


def process_identity() -> dict[str, Any]:
    """Return this process's pid, host and start, and the time in UTC, as locks and start markers hold them."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "born": process_start(os.getpid()), "since": now()}


def now() -> str:
    """Return the time in UTC, ISO 8601, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def alive(holder: dict[str, Any]) -> bool:
    """Return True if the process may still be running; on another host this cannot be checked, so True.

    Pids are reused. A later process with the same pid has another start.
    """
    if holder.get("host") != socket.gethostname():
        return True
    try:
        os.kill(int(holder["pid"]), 0)
    except (ProcessLookupError, KeyError, ValueError):
        return False
    except PermissionError:
        pass
    start = process_start(int(holder["pid"]))
    return not holder.get("born") or not start or start == holder["born"]


def process_start(pid: int) -> str:
    """Return a process's start as the machine's boot id and a clock tick, "" where /proc does not tell.

    Returns "never" for a zombie process: it has died, but its parent has not yet waited for it.
    """
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return "never" if state == "Z" else f"{boot} {rest[18]}"  # field 22 of proc(5), the third is the first here
    except (OSError, IndexError, ValueError):
        return ""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``; raise UsageError that names the holder if another process holds it.

    The kernel releases the lock when its holder dies, so a stale file is no obstacle. Where the file system has no
    locks, the pid and host in the file decide.
    """
    try:
        make_folder(path.parent)
        file = path.open("a+")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
    with file:
        locked = _lock(file)
        holder = _read_holder(file)
        if locked is False or (locked is None and holder and alive(holder)):
            who = f"process {holder.get('pid')} on {holder.get('host')} since {holder.get('since')}" if holder else "?"
            raise UsageError(f"{path.parent}: already being run by {who}; if that one is gone, delete {path}")
        try:
            _write(file, json.dumps(process_identity()))
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
        try:
            yield
        finally:
            with suppress(OSError):
                _write(file, "")


def _lock(file: IO[str]) -> bool | None:
    """Return True if locked, False if another process holds the lock, None where the file system has no locks."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _read_holder(file: IO[str]) -> dict[str, Any]:
    file.seek(0)  # read through this handle: on some network file systems the close of another one ends the lock
    try:
        holder = json.loads(file.read())
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _write(file: IO[str], text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()

"""One coordinator at a time: a lock file that names its holder and dies with it."""

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


def me() -> dict[str, Any]:
    """Return what names this process in a lock or a marker: pid, host, when it was born, and the time in UTC."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "born": born(os.getpid()), "since": now()}


def now() -> str:
    """Return the time in UTC, ISO 8601, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def alive(holder: dict[str, Any]) -> bool:
    """Return whether the named process may still live: on another host that cannot be told, so yes.

    A pid is used again some time after its process died; such a process was born at another time.
    """
    if holder.get("host") != socket.gethostname():
        return True
    try:
        os.kill(int(holder["pid"]), 0)
    except (ProcessLookupError, KeyError, ValueError):
        return False
    except PermissionError:
        pass
    now_there = born(int(holder["pid"]))
    return not holder.get("born") or not now_there or now_there == holder["born"]


def born(pid: int) -> str:
    """Return which boot of this machine and which tick of it a process started at, "" where that cannot be told.

    A zombie, dead but not yet waited for by its parent, was born never.
    """
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return "never" if state == "Z" else f"{boot} {rest[18]}"  # field 22 of proc(5), the third is the first here
    except (OSError, IndexError, ValueError):
        return ""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``; raise UsageError that names the holder when another process has it.

    The kernel releases the lock when its holder dies, so a stale file is taken over. Where the file system has no
    locks, the pid and host written in the file decide.
    """
    try:
        make_folder(path.parent)
        file = path.open("a+")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
    with file:
        locked = _lock(file)
        holder = _holder(file)
        if locked is False or (locked is None and holder and alive(holder)):
            who = f"process {holder.get('pid')} on {holder.get('host')} since {holder.get('since')}" if holder else "?"
            raise UsageError(f"{path.parent}: already being run by {who}; if that one is gone, delete {path}")
        try:
            _write(file, json.dumps(me()))
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
        try:
            yield
        finally:
            with suppress(OSError):
                _write(file, "")


def _lock(file: IO[str]) -> bool | None:
    """Return True when locked, False when another holds it, None where there are no locks."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _holder(file: IO[str]) -> dict[str, Any]:
    file.seek(0)
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

"""Ports of this machine's local servers: a free one, and a check of one that was asked for."""

import errno
import socket

from harness.errors import UsageError

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as other:
        other.bind((HOST, 0))
        return int(other.getsockname()[1])


def demand_in_range(port: int) -> None:
    """Raise UsageError for a number that is no port."""
    if not 1 <= port <= 65535:
        raise UsageError(f"--port: {port} is out of range; expected 1 to 65535")


def demand_free(port: int, command: str) -> None:
    """Raise UsageError, with a port that is free, if another program listens on this one."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: a port just left is free
        try:
            tried.bind((HOST, port))
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be opened: {error.strerror}"
            raise UsageError(f"--port: {port} {reason}; `{command} --port {free_port()}` takes a free one") from None

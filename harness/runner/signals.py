"""Ctrl-C, SIGTERM and SIGHUP as a level that a loop checks, so that no write is interrupted."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

FINISH, STOP, KILL = 1, 2, 3
CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Counts requests to stop: Ctrl-C asks to FINISH running trials, then to STOP them, then to KILL.

    SIGTERM asks to STOP, and so does SIGHUP: the terminal was closed. KILL raises KeyboardInterrupt at once. Outside
    the main thread no signal is caught.
    """

    def __init__(self) -> None:
        self.level = 0
        self.signal = 0  # the last one
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            # nohup ignores SIGHUP so that a run outlives its terminal.
            caught = [number for number in CAUGHT
                      if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
            self._handlers = {number: signal.signal(number, self._count) for number in caught}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _count(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self.level = max(self.level + 1, FINISH if number == signal.SIGINT else STOP)
        if self.level >= KILL:
            raise KeyboardInterrupt

"""Ctrl-C and SIGTERM as a level that a loop checks, so that no write is interrupted."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

FINISH, STOP, KILL = 1, 2, 3


class Interrupts:
    """Counts requests to stop: Ctrl-C asks to FINISH running trials, then to STOP them, then to KILL.

    SIGTERM asks to STOP. KILL raises KeyboardInterrupt at once. Outside the main thread no signal is caught.
    """

    def __init__(self) -> None:
        self.level = 0
        self.signal = 0  # the last one
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._count) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _count(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self.level = max(self.level + 1, STOP if number == signal.SIGTERM else FINISH)
        if self.level >= KILL:
            raise KeyboardInterrupt

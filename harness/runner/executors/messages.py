"""Events as bytes, on their way from a worker to the coordinator."""

import pickle

from harness.runner.executors.base import Event, Failed


def pack(event: Event, *, exiting: bool = False) -> bytes:
    """Pickle an event with a flag: the worker exits after it. An event that cannot be pickled becomes Failed."""
    try:
        return pickle.dumps((event, exiting))  # multiprocessing's own shares tensors by files that go with the worker
    except Exception as error:  # a plug-in's class may raise anything while it is pickled
        failed = Failed(event.id, "error", f"its result cannot be sent: {type(error).__name__}: {error}")
        return pickle.dumps((failed, exiting))


def unpack(content: bytes, trial: str) -> tuple[Event, bool]:
    """Return an event and the flag `exiting`; an event of ``trial`` that cannot be read becomes Failed."""
    try:
        event, exiting = pickle.loads(content)
    except Exception as error:  # a plug-in's class may raise anything while it is read
        return Failed(trial, "error", f"its result cannot be read: {type(error).__name__}: {error}"), False
    return event, exiting

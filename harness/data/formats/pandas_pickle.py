"""Tables that pandas pickled, read without pandas and without running anything that the file asks for.

A pickle is a program. Here it may build plain containers; whatever it wants of pandas or numpy becomes an object that
only remembers what it was given, and anything else is refused. Arrays of numbers and of objects, and then the table,
are made from what was remembered. That works alike whichever pandas is installed; pandas itself can no longer read all
that its old versions wrote.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError

FORMAT = "0.14.1"  # the name under which pandas until 1.2 wrote the state of its blocks


class Remembered:
    """Stands for an object of pandas or numpy: what it was made from, and its state."""

    args: tuple[Any, ...]
    state: Any = None

    def __new__(cls, *args: Any) -> "Remembered":
        """Keep the arguments; pickle calls this instead of the class that the file names."""
        made = super().__new__(cls)
        made.args = args
        return made

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(Remembered):
    """An array, of which numpy wrote (version, shape, type, column by column, content)."""

    def array(self) -> NDArray[Any]:
        _, shape, kind, fortran, content = self.state
        return _filled(kind, content).reshape(shape, order="F" if fortran else "C")


class _Buffer(Remembered):
    """An array, of which numpy wrote (content, type, shape, order) with pickle's protocol 5."""

    def array(self) -> NDArray[Any]:
        content, kind, shape, order = self.args
        return _filled(kind, content).reshape(shape, order=order)


def _filled(kind: Any, content: Any) -> NDArray[Any]:
    """Return a flat array of numbers or of objects; numpy's other types could name memory that is not theirs."""
    name, order = str(kind.args[0]), kind.state[1]
    if name[0] == "O":
        flat = np.empty(len(content), object)
        for place, item in enumerate(content):
            flat[place] = unwrapped(item)
        return flat
    if name[0] not in "biuf":
        raise TypeError(f"an array of type {name}")
    return np.frombuffer(content, np.dtype(name).newbyteorder(order))


def unwrapped(item: Any) -> Any:
    """Return an array where one was remembered, and anything else as it is."""
    return item.array() if isinstance(item, _Array | _Buffer) else item


def _latin1(text: str, encoding: str) -> bytes:
    """Return bytes that an old pickle wrote as text."""
    return text.encode("latin1")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        package = module.split(".")[0]
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        if (module, name) in (("builtins", "slice"), ("__builtin__", "slice")):
            return slice
        if package == "numpy" and name in ("_reconstruct", "_frombuffer"):
            return {"_reconstruct": _Array, "_frombuffer": _Buffer}[name]
        if package == "pandas" or (package == "numpy" and name in ("ndarray", "dtype")):
            return type(name, (Remembered,), {})
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which a table does not need")


def read_frame(content: bytes, path: Path) -> dict[str, list[Any]]:
    """Return a pickled table's columns by name; raise UsageError where it holds anything else, or is damaged."""
    try:
        return _columns(_Unpickler(io.BytesIO(content)).load())
    except Exception as error:  # a damaged pickle raises anything
        reason, new = (str(error) or type(error).__name__).splitlines()[0], path.with_suffix(".json").name
        raise UsageError(
            f"{path}: not a table that can be read safely: {reason}; if you trust it: python -c \"import pandas; "
            f"pandas.read_pickle('{path.name}').to_json('{new}', orient='records')\" and keep {new} beside it"
        ) from error


def _columns(frame: Any) -> dict[str, list[Any]]:
    if not isinstance(frame, Remembered) or not isinstance(frame.state, dict):
        raise TypeError(f"it holds a {type(frame).__name__}")
    axes, blocks = _parts(frame.state.get("_mgr", frame.state.get("_data")))  # "_data" until pandas 1.0
    names = unwrapped(axes[0].args[1]["data"])  # an index is made by _new_Index(class, {"data": labels, ...})
    columns: dict[str, list[Any]] = {}
    for held, places in blocks:
        values = unwrapped(held)
        taken = np.arange(len(names))[unwrapped(places)]
        columns |= {str(names[place]): list(row) for place, row in zip(taken, values, strict=True)}
    return columns


def _parts(manager: Any) -> tuple[Any, list[tuple[Any, Any]]]:
    """Return a block manager's axes, and each block's values with the columns that it holds."""
    if manager.state is not None:  # pandas until 1.2
        held = manager.state[3][FORMAT]
        return held["axes"], [(block["values"], block["mgr_locs"]) for block in held["blocks"]]
    blocks, axes = manager.args
    return axes, [block.args[:2] for block in blocks]

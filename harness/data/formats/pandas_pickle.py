"""Pickled pandas tables, read without pandas and without running code from the file.

A pickle is a program. This reader lets it build plain containers. Objects of pandas and numpy become `Recorded`
objects, which only store their arguments; all other names are refused. Arrays of numbers or objects, and then the
table, are built from the stored arguments. So the installed pandas, which cannot read all old files, does not matter.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError

FORMAT = "0.14.1"  # pandas until 1.2 stored the state of its blocks under this name


class Recorded:
    """In place of an object of pandas or numpy: its constructor's arguments, and its state."""

    args: tuple[Any, ...]
    state: Any = None

    def __new__(cls, *args: Any) -> "Recorded":
        """Store the arguments; pickle calls this instead of the class in the file."""
        recorded = super().__new__(cls)
        recorded.args = args
        return recorded

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(Recorded):
    """An array with numpy's state (version, shape, type, is Fortran order, content)."""

    def array(self) -> NDArray[Any]:
        _, shape, kind, fortran, content = self.state
        return _flat_array(kind, content).reshape(shape, order="F" if fortran else "C")


class _Buffer(Recorded):
    """An array with numpy's arguments (content, type, shape, order) in pickle's protocol 5."""

    def array(self) -> NDArray[Any]:
        content, kind, shape, order = self.args
        return _flat_array(kind, content).reshape(shape, order=order)


def _flat_array(kind: Any, content: Any) -> NDArray[Any]:
    """Return a flat array of numbers or objects; other types of numpy could refer to foreign memory."""
    name, order = str(kind.args[0]), kind.state[1]
    if name[0] == "O":
        flat = np.empty(len(content), object)
        for place, item in enumerate(content):
            flat[place] = unwrap(item)
        return flat
    if name[0] not in "biuf":
        raise TypeError(f"an array of type {name}")
    return np.frombuffer(content, np.dtype(name).newbyteorder(order))


def unwrap(item: Any) -> Any:
    """Return the array of a recorded one, and any other object unchanged."""
    return item.array() if isinstance(item, _Array | _Buffer) else item


def _latin1(text: str, encoding: str) -> bytes:
    """Return bytes that an old pickle stored as text."""
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
            return type(name, (Recorded,), {})
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which a table does not need")


def read_frame(content: bytes, path: Path) -> dict[str, list[Any]]:
    """Return a pickled table's columns by name; raise UsageError if it holds anything else, or is damaged."""
    try:
        return _columns(_Unpickler(io.BytesIO(content)).load())
    except Exception as error:  # a damaged pickle can raise any exception
        reason, new = (str(error) or type(error).__name__).splitlines()[0], path.with_suffix(".json").name
        raise UsageError(
            f"{path}: not a table that can be read safely: {reason}; if you trust it: python -c \"import pandas; "
            f"pandas.read_pickle('{path.name}').to_json('{new}', orient='records')\" and keep {new} beside it"
        ) from error


def _columns(frame: Any) -> dict[str, list[Any]]:
    if not isinstance(frame, Recorded) or not isinstance(frame.state, dict):
        raise TypeError(f"it holds a {type(frame).__name__}")
    axes, blocks = _parts(frame.state.get("_mgr", frame.state.get("_data")))  # "_data" until pandas 1.0
    names = unwrap(axes[0].args[1]["data"])  # an index is made by _new_Index(class, {"data": labels, ...})
    columns: dict[str, list[Any]] = {}
    for values, places in blocks:
        indices = np.arange(len(names))[unwrap(places)]
        columns |= {str(names[index]): list(row) for index, row in zip(indices, unwrap(values), strict=True)}
    return columns


def _parts(manager: Any) -> tuple[Any, list[tuple[Any, Any]]]:
    """Return a block manager's axes, and each block's values with the columns that it holds."""
    if manager.state is not None:  # pandas until 1.2
        state = manager.state[3][FORMAT]
        return state["axes"], [(block["values"], block["mgr_locs"]) for block in state["blocks"]]
    blocks, axes = manager.args
    return axes, [block.args[:2] for block in blocks]

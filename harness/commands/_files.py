"""Reading the parquet files of recorded trials, wherever their experiment lies."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Columns = Mapping[str, "np.ndarray[Any, Any]"]


def reader(results: Path) -> "Callable[[Mapping[str, Any], str], Columns]":
    """Return a function that reads the columns of a record's file, by name without suffix."""
    from pyarrow import parquet

    def read(record: Mapping[str, Any], name: str) -> "Columns":
        from harness.store import Store

        path = Store(results, record["experiment"]).path(record["id"]) / f"{name}.parquet"
        table = parquet.read_table(path)
        return {column: table[column].to_numpy() for column in table.column_names}

    return read

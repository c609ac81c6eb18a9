"""Reads the parquet files of recorded trials of any experiment."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Columns = Mapping[str, "np.ndarray[Any, Any]"]


def reader(results: Path) -> "Callable[[Mapping[str, Any], str], Columns]":
    """Return a function that reads the columns of a file (its name without suffix) of a record.

    The function raises UsageError for a file that cannot be read.
    """
    from harness.store.parquet_json import read_table
    from harness.store.store import Store

    def read(record: Mapping[str, Any], name: str) -> "Columns":
        table = read_table(Store(results, record["experiment"]).path(record["id"]) / f"{name}.parquet")
        return {column: table[column].to_numpy() for column in table.column_names}

    return read

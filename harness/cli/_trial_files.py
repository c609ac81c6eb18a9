"""Reads the parquet files of recorded trials of any experiment."""

from pathlib import Path

from harness.report.inputs import Columns, ReadFile
from harness.report.tables.rows import Record
from harness.store.parquet_json import as_arrays, read_table
from harness.store.store import Store


def reader(results: Path) -> ReadFile:
    """Return a function that reads the columns of a file (its name without suffix) of a record.

    The function raises UsageError for a file that cannot be read.
    """
    def read(record: Record, name: str) -> Columns:
        return as_arrays(read_table(Store(results, record["experiment"]).path(record["id"]) / f"{name}.parquet"))

    return read

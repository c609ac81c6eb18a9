"""Reading and writing JSON and Parquet for the store."""

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the mapping in a JSON file, None if the file cannot be read or holds something else."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def to_plain_json(value: Any) -> Any:
    """Return a copy in JSON's types: string keys, lists, and None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): to_plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain_json(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def to_parquet(columns: Mapping[str, list[Any]]) -> bytes:
    """Return a table as Parquet bytes; raise pyarrow.ArrowInvalid if its columns differ in length."""
    import pyarrow as pa
    from pyarrow import parquet

    buffer = io.BytesIO()
    table = pa.table({name: list(column) for name, column in columns.items()})
    table.validate()  # else columns of different lengths are written, and read back as something else
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def read_parquet(path: Path) -> dict[str, list[Any]]:
    """Return a table's columns as lists; raise UsageError as `read_table` does."""
    columns: dict[str, list[Any]] = read_table(path).to_pydict()
    return columns


def as_arrays(table: "pa.Table") -> "dict[str, NDArray[Any]]":
    """Return a table's columns as arrays, missing numbers as NaN; `pyarrow`'s own way imports pandas, for seconds."""
    import numpy as np
    import pyarrow as pa

    arrays: dict[str, NDArray[Any]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        is_number = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
        if column.null_count or not (is_number or pa.types.is_boolean(column.type)):
            arrays[name] = np.array(column.to_pylist(), float if is_number else object)
        elif is_number:
            arrays[name] = np.from_dlpack(column.combine_chunks())
        else:
            arrays[name] = np.from_dlpack(column.combine_chunks().cast(pa.uint8())).astype(bool)
    return arrays


def read_table(path: Path) -> "pa.Table":
    """Return a table; raise UsageError that names the file if it cannot be read or is no table."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:  # parquet.read_table imports pandas, for seconds
            return file.read()
    except FileNotFoundError as error:
        raise UsageError(f"{path}: there is no such file") from error
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        raise UsageError(f"{path}: cannot be read: {reason}") from error

"""JSON and Parquet as the store writes and reads them."""

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the mapping that a file holds; None where it cannot be read or holds something else."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def strict(value: Any) -> Any:
    """Return plain JSON data: mappings and sequences copied, numbers that are not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def to_parquet(columns: Mapping[str, list[Any]]) -> bytes:
    """Return a table's bytes; raise pyarrow.ArrowInvalid where its columns are not equally long."""
    import pyarrow as pa
    from pyarrow import parquet

    buffer = io.BytesIO()
    table = pa.table({name: list(column) for name, column in columns.items()})
    table.validate()  # columns of several lengths would be written, and read back as something else
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def read_parquet(path: Path) -> dict[str, list[Any]]:
    """Return a table's columns; raise UsageError as `read_table` does."""
    columns: dict[str, list[Any]] = read_table(path).to_pydict()
    return columns


def read_table(path: Path) -> "pa.Table":
    """Return a table; raise UsageError that names a file which cannot be read, or holds something else."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.read_table(path)
    except FileNotFoundError as error:
        raise UsageError(f"{path}: there is no such file") from error
    except (OSError, pa.ArrowException) as error:
        why = getattr(error, "strerror", None) or "it is damaged"
        raise UsageError(f"{path}: cannot be read: {why}") from error

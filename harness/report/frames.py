"""A report's records, files and tables as pandas frames; their columns are described in `harness.api`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.dotted import leaves
from harness.errors import UsageError, nearest
from harness.report.tables.cells import Table
from harness.report.tables.rows import Record
from harness.store.parquet_json import read_table

if TYPE_CHECKING:
    import pandas as pd

COUNTS = ("scene", "view", "keypoint", "step")


def trial_frame(records: Sequence[Record]) -> "pd.DataFrame":
    """Return one row per record; ``attrs["varying"]`` names the settings that differ."""
    import pandas as pd

    settings = pd.DataFrame([flat_settings(record["spec"]) for record in records])
    varying = [str(name) for name in settings if name != "seed" and settings[name].map(repr).nunique() > 1]
    fixed = [name for name in settings if name not in varying and name != "seed"]
    scores = pd.DataFrame([{**record["cost"], **record["scores"]} for record in records], dtype=float)
    head = pd.DataFrame({key: [record[key] for record in records] for key in ("status", "reason")})
    remarks = pd.DataFrame({"note": [record.get("note", "") for record in records],
                            "tags": [", ".join(record.get("tags", ())) for record in records]})
    times = pd.DataFrame({key: pd.to_datetime([record[key] for record in records], utc=True, errors="coerce")
                          for key in ("started", "ended")})
    seeds = settings[["seed"]] if "seed" in settings else pd.DataFrame({"seed": [None] * len(records)})
    frame = pd.concat([head, seeds, settings[varying], scores, remarks, settings[fixed], times], axis=1)
    frame.index = pd.Index([record["id"] for record in records], name="trial")
    frame.attrs["varying"] = varying
    return frame


def row_frame(folder: Path, file: str, trials: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows of one file of several trials, below ``folder``, with seed and varying settings before them."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    tables = [_narrow(read_table(folder / trial / file)) for trial in trials.index]
    place = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])
    heads: dict[str, Any] = {"trial": pd.Categorical.from_codes(place, categories=trials.index)}
    for name in ("seed", *trials.attrs["varying"]):
        values, codes = np.unique(trials[name].map(str), return_inverse=True)
        heads[name] = (trials[name].to_numpy()[place] if name == "seed" else
                       pd.Categorical.from_codes(codes[place], categories=pd.Index(values)))
    rows = pa.concat_tables(tables, promote_options="permissive").to_pandas() if tables else pd.DataFrame()
    frame: pd.DataFrame = pd.concat([pd.DataFrame(heads), rows], axis=1)
    return frame


def table_frame(table: Table) -> "pd.DataFrame":
    """Return a table: a row per setting or reference, columns (score, number)."""
    import pandas as pd

    columns: dict[tuple[str, str], list[float | None]] = {}
    for place, column in enumerate(table.columns):
        cells = [row.cells[place] for row in table.rows]
        columns[column.score, "mean"] = [cell.interval.mean if cell.interval else None for cell in cells]
        columns[column.score, "half_width"] = [cell.interval.half_width if cell.interval else None for cell in cells]
        columns[column.score, "seeds"] = [cell.interval.count if cell.interval else 0 for cell in cells]
        gaps = [cell.difference for cell in cells]
        if any(gaps):
            columns[column.score, "difference"] = [gap.interval.mean if gap else None for gap in gaps]
            columns[column.score, "p"] = [gap.adjusted if gap else None for gap in gaps]
    rows = pd.Index([table.name_of(row) for row in table.rows], name=" ".join(table.heads))
    frame = pd.DataFrame(columns, index=rows, dtype=float)
    frame.attrs |= {"title": table.title, "notes": list(table.notes)}
    return frame


def best_row(tables: Sequence[Table], score: str) -> "pd.Series[Any]":
    """Return the setting with the best mean of a score; raise UsageError if no table has it with a better side."""
    import pandas as pd

    places = [(table, i, column) for table in tables for i, column in enumerate(table.columns) if column.better]
    found = [(table, i, column.better) for table, i, column in places if column.score == score]
    if not found:
        raise UsageError(f"no table has a score {score!r} with a better side"
                         f"{nearest(score, dict.fromkeys(column.score for _, _, column in places))}")
    table, place, better = found[0]
    rows = [(row, row.cells[place], interval) for row in table.settings
            if (interval := row.cells[place].interval) is not None and row.cells[place].trials]
    row, cell, interval = max(rows, key=lambda item: better * item[2].mean)
    tied = [table.name_of(other) for other, its, _ in rows if its.tied and other is not row]
    return pd.Series({"score": score, "mean": interval.mean, "half_width": interval.half_width,
                      "seeds": interval.count, "trials": list(cell.trials), "tied": tied}, name=table.name_of(row))


def flat_settings(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's settings by dotted name: a choice under its own name, of the losses their names too.

    >>> flat_settings({"seed": 0, "fusion": {"name": "blend", "alpha": 0.3}, "losses": {"nvs": {"weight": 1.0}}})
    {'seed': 0, 'fusion': 'blend', 'fusion.alpha': 0.3, 'losses': 'nvs', 'losses.nvs.weight': 1.0}
    """
    return dict(_flat(spec))


def _flat(spec: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, setting in spec.items():
        if key == "losses":
            yield key, "+".join(setting)
        for path, value in leaves(setting, key):
            yield path.removesuffix(".name"), tuple(value) if isinstance(value, list) else value


def _narrow(table: Any) -> Any:
    """Return a table with its counting columns in 32 bits: half the memory, the same numbers."""
    import pyarrow as pa

    return table.cast(pa.schema([
        column.with_type(pa.int32()) if column.name in COUNTS and pa.types.is_integer(column.type) else column
        for column in table.schema]))

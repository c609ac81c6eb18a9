"""Tables as JSON, complete, and as CSV with one line per number."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from harness.report.statistics import interquartile_mean
from harness.report.tables.cells import Cell, Difference, Table
from harness.report.tables.columns import Column
from harness.report.tables.rows import row_name

FIELDS = (
    "score", "mean", "half_width", "seeds", "interquartile_mean", "best", "tied", "star", "baseline", "difference",
    "difference_half_width", "difference_seeds", "p", "adjusted_p", "significance_reachable", "effect_size",
    "probability_of_improvement", "values", "trials", "source",
)


def to_json(tables: Iterable[Table]) -> list[dict[str, Any]]:
    """Return plain data: for each table its notes, and its rows with every score's mean, interval and trials."""
    return [
        {
            "name": table.name,
            "title": table.title,
            "rows": [
                {
                    "setting": dict(zip(table.keys or table.heads, row.labels, strict=True)),
                    "seeds": row.seeds,
                    "is_baseline": row.is_baseline,
                    "is_reference": row.is_reference,
                    "scores": {column.score: _cell(cell, column, table.heads)
                               for column, cell in zip(table.columns, row.cells, strict=True) if cell.interval},
                }
                for row in table.rows
            ],
            "notes": list(table.notes),
        }
        for table in tables
    ]


def to_csv(tables: Iterable[Table]) -> str:
    """Return one line per number, with all digits; labels are in ``setting.<setting>``, lists are joined by spaces."""
    text = io.StringIO()
    tables = list(tables)
    labels = [f"setting.{key}" for key in dict.fromkeys(key for table in tables for key in table.keys or table.heads)]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["table", *labels, "is_baseline", "is_reference", *FIELDS])
    for table in to_json(tables):
        for row in table["rows"]:
            setting = [row["setting"].get(label.removeprefix("setting.")) for label in labels]
            head = [table["name"], *setting, row["is_baseline"], row["is_reference"]]
            writer.writerows([*head, *map(_flat(score, cell).get, FIELDS)] for score, cell in row["scores"].items())
    return text.getvalue()


def _flat(score: str, cell: dict[str, Any]) -> dict[str, Any]:
    """Return a cell's fields as one flat row; ``pairs`` are in JSON only."""
    difference = dict(cell.get("difference") or {})
    spread = {"difference": difference.pop("mean", None),
              **{f"difference_{name}": difference.pop(name, None) for name in ("half_width", "seeds")}}
    lists = {name: " ".join(map(str, cell[name])) for name in ("values", "trials")}
    return {"score": score, **cell, **spread, **difference, **lists}


def _cell(cell: Cell, column: Column, heads: Sequence[str]) -> dict[str, Any]:
    if cell.interval is None:
        return {}
    plain: dict[str, Any] = {"mean": cell.interval.mean, "half_width": cell.interval.half_width,
                             "seeds": cell.interval.count}
    if column.kind == "mean" and cell.values and not cell.pairs:
        plain["interquartile_mean"] = interquartile_mean(cell.values)
    plain |= {"best": cell.best, "tied": cell.tied, "star": cell.star}
    if cell.difference:
        plain["difference"] = _difference(cell.difference, heads)
    if cell.pairs:
        plain["pairs"] = [list(pair) for pair in cell.pairs]
    plain |= {"values": list(cell.values), "trials": list(cell.trials)}
    return plain | ({"source": cell.source} if cell.source else {})


def _difference(difference: Difference, heads: Sequence[str]) -> dict[str, Any]:
    interval = difference.interval
    return {
        "baseline": row_name(heads, difference.baseline), "mean": interval.mean, "half_width": interval.half_width,
        "seeds": interval.count, "p": difference.p, "adjusted_p": difference.adjusted,
        "significance_reachable": difference.reachable, "effect_size": difference.effect,
        "probability_of_improvement": difference.improvement,
    }

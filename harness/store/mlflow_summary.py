"""The summary of an experiment for its parent run in MLflow: counts, mean scores of settings, tables."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.store.mlflow_notes import headline_order, mean_name
from harness.store.mlflow_scores import HEADLINES, metric_name
from harness.store.mlflow_trial import Point, milliseconds
from harness.store.store import Store

MOST_SETTINGS = 40  # with a metric of their own on the parent run; the tables have all
DOT = "\N{ONE DOT LEADER}"  # in a table's heads: MLflow's viewer takes a full stop for a path and shows empty cells
LONGEST_NAME = 250  # characters of a metric's name
Means = dict[str, dict[str, tuple[float, int]]]


@dataclass
class Summary:
    """The trials by status, the last end, the mean scores by setting, and the environment of one finished trial."""

    counts: Counter[str] = field(default_factory=Counter)
    last: int = 0
    means: Means = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    def metrics(self) -> Iterator[Point]:
        """Yield the mean scores of the best settings, at the time of the last end."""
        for setting in list(self.means)[:MOST_SETTINGS]:
            for score, (mean, _) in self.means[setting].items():
                yield metric_name(mean_name(score, setting))[:LONGEST_NAME], mean, self.last, 0


def summarise(store: Store, name_of: Callable[[Mapping[str, Any]], str]) -> Summary:
    """Read every record, one at a time, and return the summary; ``name_of`` gives a record's setting."""
    summary, values = Summary(), dict[str, dict[str, list[float]]]()
    for trial in sorted(store.started_ids()):
        record = store.record(trial)
        if record is None or record["status"] == "stale":
            continue
        summary.counts[record["status"]] += 1
        summary.last = max(summary.last, milliseconds(record["ended"]))
        if record["status"] != "finished":
            continue
        summary.environment = record["environment"]
        numbers, of_setting = {**record["cost"], **record["scores"]}, values.setdefault(name_of(record), {})
        for score in HEADLINES:
            if math.isfinite(numbers.get(score, math.nan)):
                of_setting.setdefault(score, []).append(numbers[score])
    means = {setting: {score: (math.fsum(each) / len(each), len(each)) for score, each in scores.items()}
             for setting, scores in values.items() if scores}
    summary.means = {setting: means[setting] for setting in headline_order(means)}
    return summary


def read_tables(text: bytes) -> dict[str, dict[str, list[Any]]]:
    """Return the tables of a report.json, by name, as columns and data: MLflow's form of a table."""
    try:
        tables = json.loads(text)["tables"]
        return {table["name"]: _plain_table(table["rows"]) for table in tables if table["rows"]}
    except (ValueError, KeyError, TypeError):  # of another version
        return {}


def _rounded(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) and math.isfinite(value) else value


def _plain_table(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    labels = list(dict.fromkeys(key for row in rows for key in row["setting"]))
    scores = list(dict.fromkeys(score for row in rows for score in row["scores"]))
    columns = [*labels, "seeds", *(name for score in scores for name in (score, f"{score} \N{PLUS-MINUS SIGN}"))]
    data = [[*(row["setting"].get(label, "") for label in labels), row["seeds"],
             *(_rounded(row["scores"].get(score, {}).get(key)) for score in scores for key in ("mean", "half_width"))]
            for row in rows]
    columns = [name.replace(".", DOT) for name in columns]
    return {"columns": columns, "data": data}

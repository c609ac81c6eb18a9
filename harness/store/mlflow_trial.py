"""What a trial's run holds in MLflow besides its files: metrics with times and steps, and tags."""

import getpass
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from harness.store.mlflow_names import LONGEST_PARAM
from harness.store.mlflow_scores import MOST, chosen, curves, metric_name
from harness.store.parquet_json import read_parquet
from harness.store.store import Store

LONGEST_CURVE = 1000  # points of one curve; longer curves are thinned; curve.parquet has them whole
CURVES = ("curve.parquet", "probes.parquet")
MOST_CURVES = 12
Point = tuple[str, float, int, int]  # a metric's name, value, time and step


def trial_metrics(store: Store, record: Mapping[str, Any]) -> Iterator[Point]:
    """Yield the points of the curves, and then the scores; with the curves they are at most MOST metrics."""
    began, ended = milliseconds(record["started"]), milliseconds(record["ended"])
    tables = [read_parquet(store.path(record["id"]) / name) for name in CURVES if name in record["files"]]
    named = [(table, name) for table in tables for name in curves(list(table))][:MOST_CURVES]
    for name, value in chosen(record["scores"], record["cost"], MOST - len(named)).items():
        yield name, value, ended, 0
    for table, name in named:
        rows = len(table[name])
        stride = max(1, math.ceil(rows / LONGEST_CURVE))
        for row in sorted({*range(0, rows, stride), rows - 1}) if rows else ():
            time = began + (ended - began) * (row + 1) // rows
            step = int(table["step"][row]) if "step" in table else row
            yield metric_name(f"curve/{name}"), table[name][row], time, step


def trial_tags(record: Mapping[str, Any], setting: str, digest: str) -> dict[str, str]:
    """Return the tags of an ended trial: those to filter by, its origin, and those by which the mirror finds it."""
    tags = {"status": record["status"], "setting": setting, "seed": str(record["spec"].get("seed")),
            "harness.setting": digest, "harness.status": record["status"],
            "harness.reason": record["reason"][:LONGEST_PARAM], "harness.attempts": str(len(record["attempts"]) + 1),
            **source_tags(record["environment"], record["experiment"]),
            **{f"harness.{name}": value for name, value in record["fingerprints"].items()}}
    return {name: str(value) for name, value in tags.items() if value}


def source_tags(environment: Mapping[str, Any], experiment: str) -> dict[str, str]:
    """Return the tags that MLflow shows as user, source and version. It shows no more of a source than follows a /."""
    verb = re.search(r"\bharness (\w+)", environment.get("command") or "")
    return {"mlflow.source.name": f"harness {verb[1] if verb else 'run'} {experiment}", "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": environment.get("git_commit") or "", "mlflow.user": user()}


def user() -> str:
    """Return the name of the user of this process, "" if it has none, as in some containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def milliseconds(when: str) -> int:
    """Return a time of a record in MLflow's unit."""
    return int(datetime.fromisoformat(when).timestamp() * 1000)

"""What a trial's run holds in MLflow besides its own files: metrics, tags, its settings as YAML, small pictures."""

import getpass
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from harness.store.mlflow_names import LONGEST_PARAM
from harness.store.mlflow_scores import MOST, chosen, curves, metric_name
from harness.store.parquet_json import read_parquet
from harness.store.store import Store

LONGEST_CURVE = 1000  # points of one curve; longer curves are thinned; curve.parquet has them whole
CURVES = ("curve.parquet", "probes.parquet")
MOST_CURVES = 12
PICTURES = (".png", ".webp", ".gif")
WIDTH, HEIGHT = 760, 4000  # pixels at most, of a picture in a description
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


def write_extras(store: Store, record: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Write spec.yaml and small copies of the pictures to a folder; return each picture's name and its copy's.

    MLflow shows a picture of a description in its full width, which would push the run's facts out of the window.
    """
    from PIL import Image

    (folder / "spec.yaml").write_text(yaml.safe_dump(record["spec"], sort_keys=False), encoding="utf-8")
    copies = {}
    for name in (name for name in sorted(record["files"]) if name.endswith(PICTURES)):
        small = f"{name.rpartition('.')[0]}_small.jpg"
        try:
            with Image.open(store.path(record["id"]) / name) as picture:
                copy = picture.convert("RGB")
            copy.thumbnail((WIDTH, HEIGHT))
            copy.save(folder / small, "JPEG", quality=85)
            copies[name] = small
        except (OSError, ValueError):  # a picture that this library cannot read is shown as it is
            copies[name] = name
    return copies


def trial_tags(record: Mapping[str, Any], setting: str, digest: str) -> dict[str, str]:
    """Return the tags of an ended trial: those to filter by, its origin, and those by which the mirror finds it."""
    own = {name: value or "true" for name, _, value in (tag.partition("=") for tag in record["tags"])}
    tags = {**own, "note": record["note"][:LONGEST_PARAM], "status": record["status"], "setting": setting,
            "seed": str(record["spec"].get("seed")),
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

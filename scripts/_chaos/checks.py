"""Checks after the kills: no trial is lost or done twice, and store, MLflow and study agree."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from _chaos import trials
from _chaos.coordinator import source_of
from harness.config.load import load
from harness.store.mlflow_scores import grouped
from harness.store.mlflow_server import connect, default_uri
from harness.store.store import Store


def facts(results: Path, file: Path, journal: Path) -> dict[str, int]:
    """Return the table's numbers by label; labels of numbers that must be 0 start with a capital letter."""
    experiment = load(file)
    store = Store(results, experiment.name)
    records = {record["id"]: record for record in store.records()}
    finished = {trial: record for trial, record in records.items() if record["status"] == "finished"}
    starts = _start_times(journal)
    table = {"finished": len(finished), "executions": sum(map(len, starts.values())),
             "attempts recorded as failed": sum(len(record["attempts"]) for record in records.values())}
    planned = _planned(experiment, store, finished)
    table |= {"planned": len(planned),
              "Lost": len(planned - finished.keys()), "Unplanned": len(records.keys() - planned),
              "Run again when finished": sum(start > _seconds(record["ended"]) for trial, record in finished.items()
                                             for start in starts[trial]),
              "Wrong score": sum(not _score_is_right(record) for record in finished.values()),
              "Left over in the store": len(store.unreadable()) + len(store.start_markers()) + _count_hidden(store)}
    table |= _mlflow(store, finished)
    return table | (_study(experiment, store, finished) if experiment.search else {})


def _planned(experiment: Any, store: Store, finished: Mapping[str, Any]) -> set[str]:
    """Return the ids of a grid's trials, or of the trials in a search's study."""
    if experiment.search is None:
        return {trial.id for trial in source_of(experiment, store)}  # type: ignore[attr-defined]
    return {trial for setting in _outcome(experiment, store).settings for trial in setting.trials}


def _outcome(experiment: Any, store: Store) -> Any:
    from harness.search.outcome import outcome_of

    return outcome_of(source_of(experiment, store).study, store)  # type: ignore[attr-defined]


def _study(experiment: Any, store: Store, finished: Mapping[str, Any]) -> dict[str, int]:
    result, budget = _outcome(experiment, store), experiment.search.budget.trials
    wrong = 0
    for setting in result.settings:
        scores = [finished[trial]["scores"]["pck_fit@0.1"] for trial in setting.trials if trial in finished]
        mean = sum(scores) / len(scores) if scores else math.nan
        stored = setting.values[0] if setting.values else math.nan
        wrong += setting.status != "finished" or not math.isclose(mean, stored, abs_tol=1e-9)
    listed = Counter(trial for setting in result.settings for trial in setting.trials)
    return {"settings in the study": len(result.settings), "Settings that disagree": wrong,
            "Short of the budget": abs(budget - len(listed)), "In two settings": sum(n > 1 for n in listed.values()),
            "Not in the study": len(finished.keys() - listed.keys())}


def _mlflow(store: Store, finished: Mapping[str, Any]) -> dict[str, int]:
    client = connect(default_uri(store.results))
    mirrored = client.get_experiment_by_name(store.experiment)
    runs: list[Any] = []
    page = None
    while mirrored is not None:
        batch = client.search_runs([mirrored.experiment_id], max_results=500, page_token=page)
        runs, page = [*runs, *batch], batch.token
        if not page:
            break
    done = [run for run in runs if run.info.status == "FINISHED" and run.data.tags.get("harness.id")]
    count = Counter(run.data.tags["harness.id"] for run in done)
    wrong = sum(not math.isclose(run.data.metrics.get(grouped("pck@0.1"), math.nan),
                                 finished[run.data.tags["harness.id"]]["scores"]["pck@0.1"])
                for run in done if run.data.tags["harness.id"] in finished)
    return {"MLflow runs finished": len(done), "MLflow runs killed": sum(run.info.status == "KILLED" for run in runs),
            "MLflow runs still running": sum(run.info.status == "RUNNING" for run in runs),
            "Not in MLflow": len(finished.keys() - count.keys()), "Twice in MLflow": sum(n > 1 for n in count.values()),
            "In MLflow alone": len(count.keys() - finished.keys()), "Another score in MLflow": wrong}


def _start_times(journal: Path) -> dict[str, list[float]]:
    """Return the times at which each trial started."""
    starts: dict[str, list[float]] = defaultdict(list)
    for line in journal.read_text().splitlines():
        match line.split():
            case ["begin", trial, when]:
                starts[trial].append(float(when))
    return starts


def _score_is_right(record: Mapping[str, Any]) -> bool:
    from harness.config.spec import TrialSpec

    return math.isclose(record["scores"]["pck@0.1"], trials.score(TrialSpec.from_dict(record["spec"])))


def _count_hidden(store: Store) -> int:
    return sum(path.name.startswith(".") for path in store.trials.iterdir())


def _seconds(when: str) -> float:
    return datetime.fromisoformat(when).timestamp()


def violations(table: Mapping[str, int]) -> Iterator[str]:
    """Yield a line for each number that must be 0 and is not."""
    for name, value in table.items():
        must_be_zero = (name[0].isupper() and not name.startswith("MLflow")) or name == "MLflow runs still running"
        if must_be_zero and value:
            yield f"{name}: {value}"
    if not table["planned"] == table["finished"] == table["MLflow runs finished"]:
        yield "planned, finished and MLflow's finished runs differ in number"

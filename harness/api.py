"""What a notebook uses: `load` reads a recorded experiment into pandas frames, `run` runs one first.

>>> import harness
>>> harness.load("fusion")
Traceback (most recent call last):
harness.errors.UsageError: results: no records of 'fusion'; there are none
"""

import json
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.load import load as load_experiment
from harness.config.spec import ReportSpec
from harness.errors import UsageError, nearest
from harness.report.frames import best_row, row_frame, table_frame, trial_frame
from harness.report.inputs import Report, make_report
from harness.report.layout import ReportLayout, read_layout, read_part, write_layout
from harness.report.tables.rows import Record
from harness.runner.callbacks import Progress
from harness.runner.coordinator import run_trials
from harness.runner.executors.inline import Inline
from harness.runner.executors.processes import Processes
from harness.search.grid import Grid
from harness.search.trial_source import PlannedTrial
from harness.store import mlflow_tracker
from harness.store.experiments import chosen_experiments, default_results
from harness.store.store import Store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from harness.method.results import TrialResult

MAIN = "pck@0.1"


class Results:
    """The records of one experiment, as they were when they were loaded.

    Attributes:
        name: the experiment's name.
        records: the content of every readable record.json, by id.
    """

    def __init__(self, store: Store) -> None:
        self.name, self._store = store.experiment, store
        self._inputs = read_part(store, read_layout(store) or ReportLayout(ReportSpec(), None), _warn)
        self.records: Mapping[str, Record] = {record["id"]: record for record in self._inputs.records}

    def __repr__(self) -> str:
        finished = sum(record["status"] == "finished" for record in self.records.values())
        return f"<{self.name}: {finished} of {len(self.records)} recorded trials finished>"

    @cached_property
    def report(self) -> Report:
        """The report's tables, as `harness report` has them."""
        return make_report(self._inputs)

    @cached_property
    def trials(self) -> "pd.DataFrame":
        """One row per recorded trial, indexed by its id, in the order in which the trials started.

        `status`; `reason`, why it did not finish; `seed`; the settings that differ between trials, named as after
        `--set trial.` (`fusion`, `fusion.strength`, `losses.nvs.weight`); every score of docs/method.md by its name
        (shares from 0 to 1; errors `*_px` in pixels; `nme` in units of the data's normaliser; entropies from 0 to 1);
        costs (`seconds_*` in s, `*_memory_mb` in MB); `note` and `tags` of the run; the settings that are equal in all
        trials. `started`, `ended`: UTC. NaN where a trial has no such score or setting.
        """
        return trial_frame(sorted(self.records.values(), key=lambda record: str(record["started"])))

    @cached_property
    def points(self) -> "pd.DataFrame":
        """One row per finished trial, test scene, view and keypoint.

        `trial`, `seed` and the settings that differ; `scene`, `view`, `keypoint` are numbers from 0. `error`: distance
        of the found point to the true one, and `normaliser`, in pixels; infinite if a keypoint has no token.
        `visible`: whether it is scored. `error_<protocol>`: the same distance for another protocol. `truth_y`,
        `truth_x`, `found_y`, `found_x` in [0, 1] of the view's side. With cameras `error_heldout` and `reprojection` in
        pixels, `ray` and `error_3d` in scene units. `pck@0.1` is the share of visible rows with
        `error <= 0.1 * normaliser`.
        """
        return self._rows("points.parquet")

    @cached_property
    def curves(self) -> "pd.DataFrame":
        """One row per finished trial and optimisation step.

        `trial`, `seed` and the settings that differ; `step` from 0; `loss`, the weighted sum; each term by its name
        and, as it enters the sum, `<term>_weighted`. Losses have no unit.
        """
        return self._rows("curve.parquet")

    def table(self, name: str = "pck") -> "pd.DataFrame":
        """Return one of the report's tables: a row per setting or reference, columns (score, number).

        Numbers: `mean` over seeds; `half_width` of its 95% t interval, NaN for one seed; `seeds`; and where the report
        compares with a baseline, `difference` to it and its `p` after Holm's correction. `attrs` has the table's
        `title` and `notes`.
        """
        if not self.report.tables:
            raise UsageError(f"{self.name}: there is no table: {self.report.why_empty}")
        tables = {table.name: table for table in self.report.tables}
        if name not in tables:
            raise UsageError(f"{self.name}: the report has no table {name!r}{nearest(name, tables)}")
        return table_frame(tables[name])

    def best(self, score: str = MAIN) -> "pd.Series[Any]":
        """Return the setting with the best mean of a score: `mean`, `half_width`, `seeds`, `trials` (ids), `tied`.

        `tied` are the settings that are not told apart from it. A test score that chooses a setting flatters it; the
        choice of a search, which looks at no test label, is in the experiment's `best.yaml`.
        """
        return best_row(self.report.tables, score)

    def tokens(self, trial: str) -> dict[str, "np.ndarray"]:
        """Return a trial's tensors by the beginning of its id: `tokens`, `initial` (N D), `kept` (indices), gates."""
        from safetensors.numpy import load_file

        found = [id_ for id_ in self.records if id_.startswith(trial)]
        if len(found) != 1:
            raise UsageError(f"{self.name}: {trial!r} begins the ids of {len(found)} trials; `trials.index` lists them")
        if "tokens.safetensors" not in self.records[found[0]]["files"]:
            status = self.records[found[0]]["status"]
            raise UsageError(f"{self.name}: trial {found[0]} has no tokens; it is {status}")
        return dict(load_file(self._store.path(found[0]) / "tokens.safetensors"))

    def to_xarray(self) -> Any:
        """Return the scores and costs of the finished trials as an xarray.Dataset over the varying settings and seed.

        Needs the package xarray.
        """
        try:
            import xarray  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
        except ModuleNotFoundError:
            raise UsageError("to_xarray: the package xarray is not installed; pip install xarray") from None
        frame = self.trials[self.trials["status"] == "finished"]
        axes = [name for name in (*self.trials.attrs["varying"], "seed") if frame[name].map(repr).nunique() > 1]
        scores = {name for record in self.records.values() for name in (*record["scores"], *record["cost"])}
        if axes and not frame.duplicated(axes).any():
            frame = frame.set_index(axes)
        return frame[[name for name in frame if name in scores]].to_xarray()

    def _rows(self, file: str) -> "pd.DataFrame":
        """Return a file's rows of every finished trial."""
        kept = [trial for trial in self.trials.index
                if self.records[trial]["status"] == "finished" and file in self.records[trial]["files"]]
        return row_frame(self._store.trials, file, self.trials.loc[kept])


def load(experiment: str | Path, results: str | Path | None = None) -> Results:
    """Read the records of an experiment.

    Args:
        experiment: its name, or its folder.
        results: the results folder that a name lies in (HARNESS_RESULTS, else results/).

    Raises:
        UsageError: nothing was recorded under that name.
    """
    folder = Path(experiment)
    if results is None and (folder / "trials").is_dir():
        folder = folder.absolute()
        return Results(Store(folder.parent, folder.name))
    place = default_results() if results is None else Path(results)
    (name,) = chosen_experiments(place, [str(experiment)])
    return Results(Store(place, name))


def run(experiment: str | Path, set: Mapping[str, Any] | None = None, *, results: str | Path | None = None,
        executor: str = "processes", workers: int | None = None, note: str = "", tags: Sequence[str] = ()) -> Results:
    """Run the trials of an experiment that are not finished, as `harness run` does, and return its results.

    Args:
        experiment: path of a YAML file, or the name of a shipped experiment such as `fusion`.
        set: settings that win over the file, by dotted key: `{"trial.steps": 50, "grid.fusion": ["none", "blend"]}`.
        results: the results folder (HARNESS_RESULTS, else results/).
        executor: `processes`, or `inline` for this process.
        workers: trials at once (one for each GPU; one without a GPU).
        note: a text that is kept with every trial that this call records.
        tags: words, or NAME=VALUE, that are kept with them too.

    Raises:
        UsageError: the experiment is not valid, or it is a search, which `harness sweep` runs.
        KeyboardInterrupt: the run was stopped; the same call resumes it.
    """
    planned = load_experiment(experiment, [f"{key}={json.dumps(value)}" for key, value in (set or {}).items()])
    if planned.search is not None:
        raise UsageError(f"{planned.source}: has a 'search'; `harness sweep` runs it")
    if executor not in ("processes", "inline"):
        raise UsageError(f"executor: unknown value {executor!r}{nearest(executor, ('processes', 'inline'))}")
    store = Store(default_results() if results is None else results, planned.name, note, tags)
    grid = Grid(planned, store)
    write_layout(store, planned, grid)
    place = Inline() if executor == "inline" else Processes(workers=workers, log=store.folder)
    with place as opened:
        summary = run_trials(grid, store, opened, mlflow_tracker.MlflowTracker(store), progress=_Lines())
    if summary.signal:
        raise KeyboardInterrupt("stopped; the same call resumes")
    if summary.stopped:
        _warn(f"stopped: {summary.stopped}")
    return Results(store)


class _Lines(Progress):
    """A line on stderr for each trial that ends."""

    def finished(self, trial: PlannedTrial, result: "TrialResult") -> None:
        value = result.scores.get(MAIN)
        self._say(f"{trial.label}: done" + (f", {MAIN} {value:.3f}" if value is not None else ""))

    def failed(self, trial: PlannedTrial, reason: str) -> None:
        self._say(f"{trial.label}: failed: {reason}")

    def warning(self, text: str) -> None:
        _warn(text)

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _warn(text: str, count: int = 1) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)

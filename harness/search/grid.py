"""The trials of a grid: every cell in planned order, each id once; finished ones are skipped."""

from collections.abc import Iterator
from functools import cached_property

from harness.config.ids import Ids
from harness.config.spec import Experiment
from harness.search.labels import Labels
from harness.search.trial_source import Fingerprinter, Fingerprints, PlannedTrial, TrialSource
from harness.store.store import Store


class Grid(TrialSource):
    """The trials of an experiment: iterating yields all of them, `next` those to run (with ``force``, all).

    Lazy: a cell becomes a trial when it is reached.
    """

    def __init__(self, experiment: Experiment, store: Store, fingerprints: Fingerprinter | None = None,
                 force: bool = False) -> None:
        self._experiment, self._store, self._force = experiment, store, force
        self._fingerprints = Fingerprints(fingerprints)
        self._rest: Iterator[PlannedTrial] | None = None
        self._started = 0

    def __iter__(self) -> Iterator[PlannedTrial]:
        """Yield every trial of the plan with its present status in the store."""
        in_store, ids, labels, planned = self._store.started_ids(), Ids(), self._labels, set()
        for spec in self._experiment.trials:
            fingerprints = self._fingerprints(spec)
            trial = ids.of(spec, fingerprints["data"], fingerprints["weights"])
            if trial not in planned:
                planned.add(trial)
                status = self._store.status(trial) if trial in in_store else "missing"
                yield PlannedTrial(trial, spec, labels.of(spec), fingerprints, status)

    @cached_property
    def _labels(self) -> Labels:
        return Labels(self._experiment.axes, self._experiment.trials)

    @property
    def total(self) -> int:
        """The number of planned trials."""
        return self._counts[0]

    @property
    def done(self) -> int:
        """The number of trials that finished before this run; 0 with ``force``."""
        return self._counts[1]

    @cached_property
    def _counts(self) -> tuple[int, int]:
        total = done = 0
        for trial in self:
            total += 1
            done += not self._force and trial.status == "finished"
        return total, done

    def next(self) -> PlannedTrial | None:
        """Return the next trial to run, None after the last."""
        if self._rest is None:
            self._rest = iter(self)
        for trial in self._rest:
            if self._force or trial.status != "finished":
                self._started += 1
                return trial
        return None

    def exhausted(self) -> bool:
        """True if `next` has returned every trial to run."""
        return self._started >= self.total - self.done

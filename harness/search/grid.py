"""Every cell of an experiment's grid, in planned order, each id once; what is finished is left out."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.config.ids import Ids
from harness.config.spec import Experiment, RunOptions
from harness.search.trial_source import Fingerprints, Labels, Planned, Prints
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.method.optimise import Step


class Grid:
    """The trials of an experiment: iterating shows all of them, `next` gives those to run (with ``force``, all).

    Lazy: a cell becomes a trial when it is asked for.
    """

    def __init__(self, experiment: Experiment, store: Store, fingerprints: Fingerprints | None = None,
                 force: bool = False) -> None:
        self._experiment, self._store, self._force = experiment, store, force
        self._prints = Prints(fingerprints)
        self._left: Iterator[Planned] | None = None
        self._given = 0

    def __iter__(self) -> Iterator[Planned]:
        """Yield every trial of the plan, with what the store has of it now."""
        known, ids, labels, seen = self._store.known(), Ids(), Labels(self._experiment.axes), set()
        for spec in self._experiment.trials:
            prints = self._prints(spec)
            trial = ids.of(spec, prints["data"], prints["weights"])
            if trial not in seen:
                seen.add(trial)
                status = self._store.status(trial) if trial in known else "missing"
                yield Planned(trial, spec, labels.of(spec), prints, status)

    @property
    def total(self) -> int:
        """How many trials are planned."""
        return self._counted[0]

    @property
    def done(self) -> int:
        """How many of them were finished before this run; none counts when all are forced."""
        return self._counted[1]

    @cached_property
    def _counted(self) -> tuple[int, int]:
        total = done = 0
        for trial in self:
            total += 1
            done += not self._force and trial.status == "finished"
        return total, done

    def next(self) -> Planned | None:
        """Return the next trial to run, None after the last."""
        if self._left is None:
            self._left = iter(self)
        for trial in self._left:
            if self._force or trial.status != "finished":
                self._given += 1
                return trial
        return None

    def exhausted(self) -> bool:
        """Return whether `next` has given all there is."""
        return self._given >= self.total - self.done

    def options(self) -> RunOptions:
        """Return the defaults: a grid needs nothing of its trials while they run."""
        return RunOptions()

    def stepped(self, trial: Planned, step: "Step") -> bool:
        """Let every trial run to its end."""
        return False

    def ended(self, trial: Planned, record: Mapping[str, Any]) -> None:
        """Do nothing: a cell does not depend on how another one went."""

    def close(self) -> None:
        """Do nothing."""

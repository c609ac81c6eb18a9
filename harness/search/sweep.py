"""A search: settings that a study proposes, each with every seed, until the budget is spent."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from harness.config.search_block import resolve_params
from harness.config.space import Params
from harness.config.spec import Experiment, RunOptions
from harness.errors import UsageError
from harness.search.pruner_readings import after_seed
from harness.search.setting import Setting, key_of, values_of
from harness.search.study import ENQUEUED, IDS, Study, search_of
from harness.search.study_sync import Known, reconcile
from harness.search.trial_source import Fingerprints, Planned, Prints
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.method.optimise import Step

FEW, MANY = 5, 100  # proposals in a row that are known already: after FEW they are drawn at random, after MANY it ends


@dataclass(frozen=True)
class Wanted:
    """A setting that must be tried; ``paid`` if the budget has held it before."""

    params: Params
    facts: Mapping[str, Any] = field(default_factory=dict)
    paid: bool = False


class Sweep:
    """The trials of an experiment with `search:`. A trial is one setting with one seed; the study knows settings.

    The study is opened at the first question, so that it happens under the store's lock. Seeds of one setting run side
    by side, or one after the other where a pruner looks at what they have given.
    """

    def __init__(self, experiment: Experiment, store: Store, *, storage: str = "", new_study: bool = False,
                 fingerprints: Fingerprints | None = None, warn: Callable[[str], None] = lambda text: None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._experiment, self._store, self._warn, self._clock = experiment, store, warn, clock
        self._search, self._seeds = search_of(experiment), experiment.seeds
        self._study = partial(Study, experiment, store, url=storage, new=new_study, warn=warn)
        self._prints = Prints(fingerprints)
        self._open: list[Setting] = []
        self._by_trial: dict[str, Setting] = {}
        self._dry = False  # nothing new can be proposed any more

    @cached_property
    def study(self) -> Study:
        """The study."""
        return self._study()

    @cached_property
    def _known(self) -> Known:
        """What is known of settings, kept up to date; the study is put in order with the store first."""
        known = reconcile(self.study, self._store, self._plan, self._warn)
        self._until = self._clock() + 60 * (self._search.budget.minutes or math.inf)
        self._queue = self._fixed(known)
        self._wanted = next(self._queue, None)
        return known

    @property
    def total(self) -> int | None:
        """How many trials are planned: the budget's, or the grid's; at the end, how many there were."""
        spent, most, size = len(self._known.trials), self._search.budget.trials, self._search.space.size
        if self.exhausted() and not self._open:
            return spent
        if most is not None:
            return max(most, spent)
        return None if size is None or not self.study.exhaustive else max(spent, size * len(self._seeds))

    @property
    def done(self) -> int:
        """How many trials were finished before this run."""
        return self._known.finished

    def next(self) -> Planned | None:
        """Return a seed of a setting under way, else the first of a new one; None when nothing can start now."""
        while not self._over():
            for setting in list(self._open):
                trial = self._start(setting)
                if trial is not None:
                    return trial
            if not self._propose():
                return None
        return None

    def exhausted(self) -> bool:
        """Return whether nothing more will come once the running trials have ended."""
        return self._over() or not (any(setting.waiting() for setting in self._open) or self._may_propose())

    def options(self) -> RunOptions:
        """Return how trials are run: probed where a pruner reads them while they run."""
        pruner = self.study.pruner
        return RunOptions(probe_every=getattr(pruner, "every", 0) if pruner.reading == "step" else 0)

    def stepped(self, trial: Planned, step: "Step") -> bool:
        """Tell the pruner what a probe found; return whether it gives up on the setting."""
        score, setting = self._search.objectives[0].score, self._by_trial[trial.id]
        if self.study.pruner.reading != "step" or step.step >= step.steps or score not in step.probe:
            return False
        self.study.report(setting.asked, step.probe[score], setting.trials.index(trial) * step.steps + step.step)
        return self.study.hopeless(setting.asked)

    def ended(self, trial: Planned, record: Mapping[str, Any]) -> None:
        """Take in a trial's record: a setting that has all its seeds is told, one that failed or was pruned ends."""
        setting = self._by_trial.pop(trial.id)
        setting.running.discard(trial.id)
        if setting not in self._open:
            return  # ended by another of its seeds
        if record["status"] == "finished":
            self._take(setting, trial, record)
        elif record["status"] == "interrupted":
            setting.halted = True
        else:
            self._end(setting, "PRUNED" if record["status"] == "pruned" else "FAIL")

    def close(self) -> None:
        """Fail the settings that are not done, so that the next run takes them up again; let go of the database."""
        if "study" in self.__dict__:
            for setting in list(self._open):
                self._end(setting, "FAIL")
            self.study.close()

    def _over(self) -> bool:
        self._known  # noqa: B018  sets the time
        return self._clock() >= self._until

    def _plan(self, params: Params) -> tuple[Planned, ...]:
        """Return a setting's trials, one for each seed."""
        trials = []
        for seed in self._seeds:
            spec = resolve_params(self._search, params, seed=seed)
            prints = self._prints(spec)
            trial = spec.id(prints["data"], prints["weights"])
            trials.append(Planned(trial, spec, f"{_words(params)} seed={seed}", prints, self._store.status(trial)))
        return tuple(trials)

    def _fixed(self, known: Known) -> Iterator[Wanted]:
        """Yield what must be tried before anything is proposed: what was left half done, then what is enqueued."""
        yield from (Wanted(params, paid=True) for params in known.again)
        for number, params in enumerate(self._search.enqueue):
            if number not in known.enqueued:
                yield Wanted(params, {ENQUEUED: number})
        for params in self._search.space.cells() if self.study.exhaustive else ():
            if not self._ended(params, known):
                yield Wanted(params)

    def _ended(self, params: Params, known: Known) -> bool:
        """Return whether a cell's setting has ended; one that cannot be planned is proposed, which says why."""
        try:
            return key_of(resolve_params(self._search, params)) in known.closed
        except UsageError:
            return False

    def _may_propose(self) -> bool:
        """Return whether another setting may begin: there is one, and the budget has room for all its seeds."""
        known, most = self._known, self._search.budget.trials
        if self._dry or (self._wanted is None and self.study.exhaustive):
            return False
        paid = self._wanted is not None and self._wanted.paid
        return paid or most is None or len(known.trials) + len(self._seeds) <= most

    def _propose(self) -> bool:
        """Begin a new setting; a proposal that is known is answered with what is known of it."""
        for attempt in range(MANY):
            if not self._may_propose():
                return False
            wanted, self._wanted = self._wanted, next(self._queue, None)
            asked, params = self.study.ask(wanted.params if wanted else None, at_random=attempt >= FEW)
            for name, value in wanted.facts.items() if wanted else ():
                self.study.note(asked, name, value)
            try:
                trials = self._plan(params)
            except UsageError as error:
                if attempt == FEW and not self._known.trials:
                    raise  # what is wrong is no single setting
                self._warn(f"{_words(params)}: {error}; the setting counts as failed")
                self.study.tell(asked, "FAIL")
                continue
            key = key_of(trials[0].spec)
            same = next((setting for setting in self._open if setting.key == key), None)
            if same is None and key not in self._known.closed:
                ids = [trial.id for trial in trials]
                self.study.note(asked, IDS, ids)
                self._open.append(Setting(asked, key, trials))
                self._known.trials.update(ids)
                return True
            if same is not None:
                same.repeats.append(asked)
            else:
                self.study.tell(asked, *self._known.closed[key])
            if len(self._known.closed) + len(self._open) == self._search.space.size:
                break
        self._dry = self._wanted is None
        return not self._dry

    def _start(self, setting: Setting) -> Planned | None:
        """Return the next seed of a setting; those that the store holds are answered from there."""
        while setting in self._open and setting.waiting() and not (setting.running and self.study.pruner.reading):
            trial = setting.trials[setting.begun]
            setting.begun += 1
            record = self._store.record(trial.id) if trial.status == "finished" else None
            if record is None:
                setting.running.add(trial.id)
                self._by_trial[trial.id] = setting
                return trial
            self._take(setting, trial, record)
        return None

    def _take(self, setting: Setting, trial: Planned, record: Mapping[str, Any]) -> None:
        """Take in what a finished seed gave."""
        values = values_of(record, self._search.objectives)
        if values is None:
            wanted = ", ".join(objective.score for objective in self._search.objectives)
            self._warn(f"{trial.label}: finished without {wanted}; the setting counts as failed")
            return self._end(setting, "FAIL")
        setting.values[trial.id] = values
        done = [planned for planned in setting.trials if planned.id in setting.values]
        pruner = self.study.pruner
        for step, value in after_seed(pruner, self._store, done, setting.values, self._search).items():
            self.study.report(setting.asked, value, step)
        if len(done) == len(setting.trials):
            self._end(setting, "COMPLETE", setting.mean)
        elif pruner.reading in ("seed", "scene") and self.study.hopeless(setting.asked):
            self._end(setting, "PRUNED")

    def _end(self, setting: Setting, state: str, values: tuple[float, ...] | None = None) -> None:
        """Tell how a setting ended; what it did not use of the budget is free again."""
        for asked in (setting.asked, *setting.repeats):
            self.study.tell(asked, state, values)
        self._open.remove(setting)
        self._known.closed[setting.key] = state, values
        self._known.trials.difference_update(trial.id for trial in setting.trials[setting.begun:])


def _words(params: Params) -> str:
    return " ".join(f"{name}={value}" for name, value in params.items())

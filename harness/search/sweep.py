"""A search: the study proposes settings, each of which runs with every seed, until the budget is spent."""

import math
import time
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from harness.config.search_block import resolve_params
from harness.config.space import Params
from harness.config.spec import Experiment, RunOptions
from harness.errors import UsageError
from harness.search.fixed_settings import fixed_settings
from harness.search.pruner_readings import readings_after_seed
from harness.search.setting import ActiveSetting, format_params, format_values, objective_values, setting_key
from harness.search.study import IDS, Study, search_of
from harness.search.study_sync import SearchState, sync_study
from harness.search.trial_source import Fingerprinter, Fingerprints, PlannedTrial, TrialSource
from harness.store.store import Store

if TYPE_CHECKING:
    from optuna.trial import Trial

    from harness.method.optimise import Step
    from harness.method.results import TrialResult

RANDOM_AFTER, END_AFTER = 5, 100  # repeated proposals in a row, after which they are drawn at random or the search ends


class Sweep(TrialSource):
    """The trials of an experiment with a `search:` block. A trial is one setting with one seed; the study has settings.

    The first call opens the study, so that this happens under the store's lock. The seeds of a setting run in parallel,
    or one after the other if a pruner reads their values.
    """

    def __init__(self, experiment: Experiment, store: Store, *, storage: str = "", new_study: bool = False,
                 fingerprints: Fingerprinter | None = None, warn: Callable[[str], None] = lambda text: None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._warn, self._clock = store, warn, clock
        self._search, self._seeds = search_of(experiment), experiment.seeds
        self._open_study = partial(Study, experiment, store, url=storage, new=new_study, warn=warn)
        self._fingerprints = Fingerprints(fingerprints)
        self._active: list[ActiveSetting] = []
        self._by_trial: dict[str, ActiveSetting] = {}
        self._space_spent = False  # no new setting can be proposed

    @cached_property
    def study(self) -> Study:
        """The study."""
        return self._open_study()

    @cached_property
    def _state(self) -> SearchState:
        """The state of the search, updated while it runs; study and store are synchronised first."""
        state = sync_study(self.study, self._store, self._plan, self._warn)
        self._deadline = self._clock() + 60 * (self._search.budget.minutes or math.inf)
        self._queue = fixed_settings(self._search, state, every_cell=self.study.exhaustive)
        self._fixed = next(self._queue, None)
        return state

    @property
    def total(self) -> int | None:
        """The number of planned trials: the budget's or the grid's; after the end, the number that there were."""
        spent, most, size = len(self._state.trials), self._search.budget.trials, self._search.space.size
        if self.exhausted() and not self._active:
            return spent
        if most is not None:
            return max(most, spent)
        return None if size is None or not self.study.exhaustive else max(spent, size * len(self._seeds))

    @property
    def done(self) -> int:
        """The number of trials that finished before this run."""
        return self._state.finished

    def next(self) -> PlannedTrial | None:
        """Return a seed of an active setting, else the first seed of a new one; None if nothing can start now."""
        while not self._is_over():
            for setting in list(self._active):
                trial = self._start_seed(setting)
                if trial is not None:
                    return trial
            if not self._propose():
                return None
        return None

    def exhausted(self) -> bool:
        """True if no trial will follow when the running ones have ended."""
        return self._is_over() or not (any(setting.has_waiting_seeds() for setting in self._active)
                                       or self._may_propose())

    def options(self) -> RunOptions:
        """Return the options of its trials: they are probed if a pruner reads running trials."""
        pruner = self.study.pruner
        return RunOptions(probe_every=getattr(pruner, "every", 0) if pruner.reading == "step" else 0)

    def report_step(self, trial: PlannedTrial, step: "Step") -> bool:
        """Report a probe to the pruner; True if it gives up on the setting."""
        score, setting = self._search.objectives[0].score, self._by_trial[trial.id]
        if self.study.pruner.reading != "step" or step.step >= step.steps or score not in step.probe:
            return False
        self.study.report(setting.proposal, step.probe[score], setting.trials.index(trial) * step.steps + step.step)
        return self.study.should_prune(setting.proposal)

    def report_end(self, trial: PlannedTrial, record: Mapping[str, Any]) -> None:
        """Take in a trial's record; its setting ends with its last seed, or if the trial failed or was pruned."""
        setting = self._by_trial.pop(trial.id)
        setting.running.discard(trial.id)
        if setting not in self._active:
            return  # another of its seeds has ended it
        if record["status"] == "finished":
            self._add_values(setting, trial, record)
        elif record["status"] == "interrupted":
            setting.halted = True
        else:
            self._end(setting, "PRUNED" if record["status"] == "pruned" else "FAIL")

    def readout(self, result: "TrialResult") -> str:
        """Return a trial's objectives, each with the best mean of a setting so far; no score of the test split."""
        values = objective_values({"cost": result.cost, "scores": result.scores}, self._search.objectives)
        means = [ended for _, ended in self._state.ended.values() if ended is not None]
        return "" if values is None else format_values(self._search.objectives, values, means)

    def close(self) -> None:
        """Fail the settings that have not ended, so that the next run tries them again; close the database."""
        if "study" in self.__dict__:
            for setting in list(self._active):
                self._end(setting, "FAIL")
            self.study.close()

    def _is_over(self) -> bool:
        """True if the budget's minutes have passed."""
        self._state  # noqa: B018  sets the deadline
        return self._clock() >= self._deadline

    def _plan(self, params: Params) -> tuple[PlannedTrial, ...]:
        """Return a setting's trials, one for each seed; UsageError if they cannot run."""
        trials = []
        for seed in self._seeds:
            spec = resolve_params(self._search, params, seed=seed)
            fingerprints, label = self._fingerprints(spec), f"{format_params(params)} seed={seed}"
            trial = spec.id(fingerprints["data"], fingerprints["weights"])
            trials.append(PlannedTrial(trial, spec, label, fingerprints, self._store.status(trial)))
        return tuple(trials)

    def _may_propose(self) -> bool:
        """True if a new setting exists and the budget has room for all its seeds."""
        state, most = self._state, self._search.budget.trials
        if self._space_spent or (self._fixed is None and self.study.exhaustive):
            return False
        paid = self._fixed is not None and self._fixed.paid
        return paid or most is None or len(state.trials) + len(self._seeds) <= most

    def _propose(self) -> bool:
        """Ask for proposals until one is a new setting; False if there is none. Others end with a known result."""
        for attempt in range(END_AFTER):
            if not self._may_propose():
                return False
            proposal, params = self._ask(at_random=attempt >= RANDOM_AFTER)
            trials = self._plan_or_fail(proposal, params, may_raise=attempt == RANDOM_AFTER)
            if trials is None:
                continue
            if not self._answer_repeat(proposal, setting_key(trials[0].spec)):
                self._activate(proposal, trials)
                return True
            if len(self._state.ended) + len(self._active) == self._search.space.size:
                break
        self._space_spent = self._fixed is None
        return not self._space_spent

    def _ask(self, *, at_random: bool) -> "tuple[Trial, Params]":
        """Return a proposal of the study and its parameters: the next fixed setting, else what the sampler draws."""
        fixed, self._fixed = self._fixed, next(self._queue, None)
        proposal, params = self.study.ask(fixed.params if fixed else None, at_random=at_random)
        for name, value in fixed.attributes.items() if fixed else ():
            self.study.annotate(proposal, name, value)
        return proposal, params

    def _plan_or_fail(self, proposal: "Trial", params: Params, *, may_raise: bool) -> tuple[PlannedTrial, ...] | None:
        """Return a proposal's trials; if they cannot run, fail it and return None.

        With ``may_raise`` and no trial so far, the fault is in no single setting and UsageError is raised.
        """
        try:
            return self._plan(params)
        except UsageError as error:
            if may_raise and not self._state.trials:
                raise
            self._warn(f"{format_params(params)}: {error}; the setting counts as failed")
            self.study.tell(proposal, "FAIL")
            return None

    def _answer_repeat(self, proposal: "Trial", key: str) -> bool:
        """Give a repeated proposal the result of its setting, now or when that ends; False for a new setting."""
        same = next((setting for setting in self._active if setting.key == key), None)
        if same is not None:
            same.repeats.append(proposal)
        elif key in self._state.ended:
            self.study.tell(proposal, *self._state.ended[key])
        return same is not None or key in self._state.ended

    def _activate(self, proposal: "Trial", trials: tuple[PlannedTrial, ...]) -> None:
        """Begin a new setting."""
        ids = [trial.id for trial in trials]
        self.study.annotate(proposal, IDS, ids)
        self._active.append(ActiveSetting(proposal, setting_key(trials[0].spec), trials))
        self._state.trials.update(ids)

    def _start_seed(self, setting: ActiveSetting) -> PlannedTrial | None:
        """Return the next seed of a setting that has to run; finished seeds are read from the store."""
        one_by_one = bool(self.study.pruner.reading)
        while setting in self._active and setting.has_waiting_seeds() and not (setting.running and one_by_one):
            trial = setting.trials[setting.started]
            setting.started += 1
            record = self._store.record(trial.id) if trial.status == "finished" else None
            if record is None:
                setting.running.add(trial.id)
                self._by_trial[trial.id] = setting
                return trial
            self._add_values(setting, trial, record)
        return None

    def _add_values(self, setting: ActiveSetting, trial: PlannedTrial, record: Mapping[str, Any]) -> None:
        """Add a finished seed's objectives to its setting and report them to the pruner; end the setting if due."""
        values = objective_values(record, self._search.objectives)
        if values is None:
            scores = ", ".join(objective.score for objective in self._search.objectives)
            self._warn(f"{trial.label}: finished without {scores}; the setting counts as failed")
            return self._end(setting, "FAIL")
        setting.values[trial.id] = values
        done = [planned for planned in setting.trials if planned.id in setting.values]
        pruner = self.study.pruner
        for step, value in readings_after_seed(pruner, self._store, done, setting.values, self._search).items():
            self.study.report(setting.proposal, value, step)
        if len(done) == len(setting.trials):
            self._end(setting, "COMPLETE", setting.mean)
        elif pruner.reading in ("seed", "scene") and self.study.should_prune(setting.proposal):
            self._end(setting, "PRUNED")

    def _end(self, setting: ActiveSetting, state: str, values: tuple[float, ...] | None = None) -> None:
        """End a setting and its repeats in the study; trials that did not start are returned to the budget."""
        for proposal in (setting.proposal, *setting.repeats):
            self.study.tell(proposal, state, values)
        self._active.remove(setting)
        self._state.ended[setting.key] = state, values
        self._state.trials.difference_update(trial.id for trial in setting.trials[setting.started:])

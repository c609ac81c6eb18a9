"""The Optuna side of a search: one study, written by one process, which proposes settings and learns their values."""

import hashlib
import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.config.search_block import resolve_params
from harness.config.space import Dimension, Params, Range, Value
from harness.config.spec import Experiment, SearchSpec
from harness.errors import UsageError
from harness.registry import build
from harness.search.samplers.base import Sampler
from harness.search.study_storage import open_storage, resumable_errors, storage_url
from harness.store.store import Store
from harness.store.urls import hide_password

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, Trial

    from harness.search.pruners.base import Pruner

SIGNATURE, IDS, ENQUEUED = "harness.signature", "harness.trials", "harness.enqueued"
NOISE = r"(The best trial has no intermediate|WilcoxonPruner finds|The intermediate values|Some regimes for parameter)"


class Study:
    """A study that belongs to one store and one experiment; opening it creates it."""

    def __init__(self, experiment: Experiment, store: Store, *, url: str = "", new: bool = False,
                 warn: Callable[[str], None] = lambda text: None) -> None:
        search = search_of(experiment)
        self.search, self.url = search, storage_url(url or search.storage, store.folder)
        self._sampler: Sampler = build("search.samplers", search.sampler.name, search.sampler.knobs)
        self.pruner: Pruner = build("search.pruners", search.pruner.name, search.pruner.knobs)
        self.exhaustive = self._sampler.exhaustive
        import optuna

        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", NOISE)
        storage = open_storage(self.url, warn)
        with resumable_errors(self.url):
            signature = signature_of(experiment, store)
            self.name = _choose_name(storage, experiment, signature, new=new, place=hide_password(self.url))
            self._storage = storage
            self._open(signature)

    def _open(self, signature: Mapping[str, Any]) -> None:
        """Load the study, or create it with its signature."""
        import optuna

        steps = max(resolve_params(self.search, params).steps for params in self.search.space.corners())
        self._study = optuna.create_study(
            storage=self._storage, study_name=self.name, load_if_exists=True, sampler=self._sampler.build(0),
            pruner=self.pruner.build(steps * len(signature["seeds"])),
            directions=[optuna.study.StudyDirection[each.direction.upper()] for each in self.search.objectives])
        if SIGNATURE not in self._study.user_attrs:
            self._study.set_user_attr(SIGNATURE, dict(signature))
        self._trial_count = len(self._study.get_trials(deepcopy=False))

    def trials(self) -> "list[FrozenTrial]":
        """Return every trial of the study."""
        with resumable_errors(self.url):
            return self._study.get_trials(deepcopy=False)

    def ask(self, fixed: Params | None = None, *, at_random: bool = False) -> "tuple[Trial, dict[str, Value]]":
        """Return a new trial of the study and its parameters: the ``fixed`` ones, the rest from the sampler.

        The sampler's seed is a hash of its own seed, the study's name and the trial's number. So no two proposals share
        a seed, and a resumed study does not repeat the proposals of the first run.
        """
        import optuna

        text = json.dumps([self._sampler.seed, self.name, self._trial_count])
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        self._study.sampler = optuna.samplers.RandomSampler(seed) if at_random else self._sampler.build(seed)
        with resumable_errors(self.url):
            if fixed is not None:
                self._study.enqueue_trial(dict(fixed))
            trial = self._study.ask()
            self._trial_count += 1
            params, _ = self.search.space.draw(lambda dimension: _suggest(trial, dimension))
        return trial, params

    def annotate(self, trial: "Trial", name: str, value: Any) -> None:
        """Store a user attribute with a trial."""
        with resumable_errors(self.url):
            trial.set_user_attr(name, value)

    def report(self, trial: "Trial", value: float, step: int) -> None:
        """Add a reading to a running trial."""
        with resumable_errors(self.url):
            trial.report(value, step)

    def should_prune(self, trial: "Trial") -> bool:
        """True if the pruner gives up on a trial after its last reading."""
        with resumable_errors(self.url):
            return bool(trial.should_prune())

    def tell(self, trial: "Trial | int", state: str, values: Sequence[float] | None = None) -> None:
        """End a trial as COMPLETE, PRUNED or FAIL; a trial that has already ended does not change."""
        from optuna.trial import TrialState

        with resumable_errors(self.url):
            self._study.tell(trial, values, state=TrialState[state], skip_if_finished=True)

    def fail_open(self, trial: "FrozenTrial") -> None:
        """Fail a trial that a killed coordinator left open; Optuna must first start one that was still waiting."""
        with resumable_errors(self.url):
            number = self._study.ask().number if trial.state.name == "WAITING" else trial.number
            self._study.tell(number, state=type(trial.state).FAIL)

    def add_ended(self, params: Params, state: str, values: Sequence[float] | None, readings: Mapping[int, float],
                  attributes: Mapping[str, Any]) -> None:
        """Add a trial that ended outside this study."""
        import optuna

        domains: dict[str, BaseDistribution] = {}
        self.search.space.draw(lambda dimension: _add_domain(domains, dimension, params[dimension.name]))
        with resumable_errors(self.url):
            self._study.add_trial(optuna.trial.create_trial(
                state=optuna.trial.TrialState[state], params=dict(params), distributions=domains,
                values=None if values is None else list(values), intermediate_values=dict(readings),
                user_attrs=dict(attributes)))
            self._trial_count += 1

    def clear(self) -> None:
        """Delete every trial."""
        import optuna

        with resumable_errors(self.url):
            signature = self._study.user_attrs[SIGNATURE]
            optuna.delete_study(study_name=self.name, storage=self._storage)
            self._open(signature)

    def close(self) -> None:
        """Close the database."""
        self._storage.remove_session()
        self._storage.engine.dispose()


def signature_of(experiment: Experiment, store: Store) -> dict[str, Any]:
    """Return everything that makes a study's values comparable; with another signature they are not."""
    search = search_of(experiment)
    content = {
        "experiment": experiment.name, "store": store.identity, "space": search.space.to_dict(),
        "objective": [[objective.score, objective.direction] for objective in search.objectives],
        "seeds": experiment.seeds, "trial": search.fixed,
        "pruner.by": build("search.pruners", search.pruner.name, search.pruner.knobs).reading,
    }
    return dict(json.loads(json.dumps(content)))


def search_of(experiment: Experiment) -> SearchSpec:
    """Return an experiment's search; raise UsageError if it has a grid."""
    if experiment.search is None:
        raise UsageError(f"{experiment.source}: has no 'search'; `harness run` runs its grid")
    return experiment.search


def _choose_name(storage: "RDBStorage", experiment: Experiment, signature: Mapping[str, Any], *, new: bool,
                 place: str) -> str:
    """Return the name of the study to resume or to create; raise UsageError rather than mix incomparable values."""
    every = {study.study_name: study.user_attrs.get(SIGNATURE, {}) for study in storage.get_all_studies()}
    ours = {name: other for name, other in every.items()
            if (other.get("experiment"), other.get("store")) == (signature["experiment"], signature["store"])}
    same = [name for name, other in ours.items() if other == signature]
    if same and not new:
        return same[-1]
    if ours and not new:
        name, other = list(ours.items())[-1]
        changed = _first_difference(other, signature)
        raise UsageError(f"{place}: the study {name!r} was begun with another {changed}; --new-study begins one beside "
                         f"it with what is finished")
    taken = sum(bool(re.fullmatch(rf"{re.escape(experiment.name)}(-\d+)?", name)) for name in every)
    numbered = (f"{experiment.name}-{number}" for number in range(taken + 1, taken + len(every) + 2))
    return experiment.name if experiment.name not in every else next(name for name in numbered if name not in every)


def _first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return the first part in which two signatures differ, with its keys or values."""
    part = next(key for key in new if old.get(key) != new[key])
    before, now = old.get(part), new[part]
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        return f"{part}: {', '.join(keys)}"
    return f"{part}: {json.dumps(before)}, not {json.dumps(now)}"


def _suggest(trial: "Trial", dimension: Dimension) -> Any:
    """Let the sampler draw one dimension."""
    if not isinstance(dimension, Range):
        return trial.suggest_categorical(dimension.name, dimension.labels)
    if dimension.whole:
        return trial.suggest_int(dimension.name, int(dimension.low), int(dimension.high),
                                 step=int(dimension.step or 1), log=dimension.log)
    return trial.suggest_float(dimension.name, dimension.low, dimension.high, step=dimension.step, log=dimension.log)


def _add_domain(domains: "dict[str, BaseDistribution]", dimension: Dimension, value: Value) -> Value:
    """Add a dimension's domain as an Optuna distribution; return the value."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(dimension, Range):
        domains[dimension.name] = CategoricalDistribution(dimension.labels)
    elif dimension.whole:
        domains[dimension.name] = IntDistribution(int(dimension.low), int(dimension.high), dimension.log,
                                                  int(dimension.step or 1))
    else:
        domains[dimension.name] = FloatDistribution(dimension.low, dimension.high, dimension.log, dimension.step)
    return value

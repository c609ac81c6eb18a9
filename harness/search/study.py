"""The Optuna side of a search: one study, written by one process, asked and told."""

import hashlib
import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.config.space import Dimension, Params, Range, Value
from harness.config.spec import Experiment, SearchSpec
from harness.errors import UsageError
from harness.registry import build
from harness.search.samplers.base import Sampler
from harness.search.study_storage import address, open_storage, told
from harness.store.store import Store
from harness.store.urls import shown

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
        self.search, self.url = search, address(url or search.storage, store.folder)
        self._sampler: Sampler = build("search.samplers", search.sampler.name, search.sampler.knobs)
        self.pruner: Pruner = build("search.pruners", search.pruner.name, search.pruner.knobs)
        self.exhaustive = self._sampler.exhaustive
        import optuna

        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", NOISE)
        storage = open_storage(self.url, warn)
        with told(self.url):
            self.name = _find(storage, experiment, signature(experiment, store), new=new, place=shown(self.url))
            self._storage = storage
            self._begin(signature(experiment, store))

    def _begin(self, signed: Mapping[str, Any]) -> None:
        import optuna

        steps = max(spec_steps(self.search, params) for params in self.search.space.corners())
        self._study = optuna.create_study(
            storage=self._storage, study_name=self.name, load_if_exists=True, sampler=self._sampler.build(0),
            pruner=self.pruner.build(steps * len(signed["seeds"])),
            directions=[optuna.study.StudyDirection[each.direction.upper()] for each in self.search.objectives])
        if SIGNATURE not in self._study.user_attrs:
            self._study.set_user_attr(SIGNATURE, dict(signed))
        self._asked = len(self._study.get_trials(deepcopy=False))

    def trials(self) -> "list[FrozenTrial]":
        """Return every trial that the study knows."""
        with told(self.url):
            return self._study.get_trials(deepcopy=False)

    def ask(self, wanted: Params | None = None, *, at_random: bool = False) -> "tuple[Trial, dict[str, Value]]":
        """Return a new trial of the study and its parameters: those ``wanted``, the rest as the sampler proposes.

        The sampler's seed hashes its own, the study's name and the trial's number: no two proposals share one, and a
        resumed study does not repeat those of the first run.
        """
        import optuna

        text = json.dumps([self._sampler.seed, self.name, self._asked])
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        self._study.sampler = optuna.samplers.RandomSampler(seed) if at_random else self._sampler.build(seed)
        with told(self.url):
            if wanted is not None:
                self._study.enqueue_trial(dict(wanted))
            trial = self._study.ask()
            self._asked += 1
            params, _ = self.search.space.draw(lambda dimension: _suggest(trial, dimension))
        return trial, params

    def note(self, trial: "Trial", name: str, value: Any) -> None:
        """Keep a fact with a trial."""
        with told(self.url):
            trial.set_user_attr(name, value)

    def report(self, trial: "Trial", value: float, step: int) -> None:
        """Add a reading of a trial under way."""
        with told(self.url):
            trial.report(value, step)

    def hopeless(self, trial: "Trial") -> bool:
        """Return whether the pruner gives up on a trial, after its last reading."""
        with told(self.url):
            return trial.should_prune()

    def tell(self, trial: "Trial | int", state: str, values: Sequence[float] | None = None) -> None:
        """End a trial as COMPLETE, PRUNED or FAIL; one that has ended already stays as it is."""
        from optuna.trial import TrialState

        with told(self.url):
            self._study.tell(trial, values, state=TrialState[state], skip_if_finished=True)

    def give_up(self, trial: "FrozenTrial") -> None:
        """Fail a trial that a dead coordinator left open; one that was still waiting has to begin first."""
        with told(self.url):
            number = self._study.ask().number if trial.state.name == "WAITING" else trial.number
            self._study.tell(number, state=type(trial.state).FAIL)

    def add(self, params: Params, state: str, values: Sequence[float] | None, readings: Mapping[int, float],
            facts: Mapping[str, Any]) -> None:
        """Add a trial that ended elsewhere."""
        import optuna

        domains: dict[str, BaseDistribution] = {}
        self.search.space.draw(lambda dimension: _noted(domains, dimension, params[dimension.name]))
        with told(self.url):
            self._study.add_trial(optuna.trial.create_trial(
                state=optuna.trial.TrialState[state], params=dict(params), distributions=domains,
                values=None if values is None else list(values), intermediate_values=dict(readings),
                user_attrs=dict(facts)))
            self._asked += 1

    def restart(self) -> None:
        """Forget every trial."""
        import optuna

        with told(self.url):
            signed = self._study.user_attrs[SIGNATURE]
            optuna.delete_study(study_name=self.name, storage=self._storage)
            self._begin(signed)

    def close(self) -> None:
        """Let go of the database."""
        self._storage.remove_session()
        self._storage.engine.dispose()


def signature(experiment: Experiment, store: Store) -> dict[str, Any]:
    """Return what a study's values depend on: with any of it changed they would not compare."""
    search = search_of(experiment)
    content = {
        "experiment": experiment.name, "store": store.identity, "space": search.space.to_dict(),
        "objective": [[objective.score, objective.direction] for objective in search.objectives],
        "seeds": experiment.seeds, "trial": search.fixed,
        "pruner.by": build("search.pruners", search.pruner.name, search.pruner.knobs).reading,
    }
    plain: dict[str, Any] = json.loads(json.dumps(content))
    return plain


def spec_steps(search: SearchSpec, params: Params) -> int:
    """Return how many steps a setting's trials have."""
    from harness.config.search_block import resolve_params

    return resolve_params(search, params).steps


def search_of(experiment: Experiment) -> SearchSpec:
    """Return an experiment's search; raise UsageError for one that has a grid."""
    if experiment.search is None:
        raise UsageError(f"{experiment.source}: has no 'search'; `harness run` runs its grid")
    return experiment.search


def _find(storage: "RDBStorage", experiment: Experiment, signed: Mapping[str, Any], *, new: bool, place: str) -> str:
    """Return the name of the study to go on with or to create; refuse to mix what does not compare."""
    every = {study.study_name: study.user_attrs.get(SIGNATURE, {}) for study in storage.get_all_studies()}
    ours = {name: known for name, known in every.items()
            if (known.get("experiment"), known.get("store")) == (signed["experiment"], signed["store"])}
    same = [name for name, known in ours.items() if known == signed]
    if same and not new:
        return same[-1]
    if ours and not new:
        name, known = list(ours.items())[-1]
        changed = _difference(known, signed)
        raise UsageError(f"{place}: the study {name!r} was begun with another {changed}; --new-study begins one beside "
                         f"it with what is finished")
    taken = sum(bool(re.fullmatch(rf"{re.escape(experiment.name)}(-\d+)?", name)) for name in every)
    numbered = (f"{experiment.name}-{number}" for number in range(taken + 1, taken + len(every) + 2))
    return experiment.name if experiment.name not in every else next(name for name in numbered if name not in every)


def _difference(known: Mapping[str, Any], signed: Mapping[str, Any]) -> str:
    """Return the first part in which two signatures differ, and where in it."""
    part = next(key for key in signed if known.get(key) != signed[key])
    before, now = known.get(part), signed[part]
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        return f"{part}: {', '.join(keys)}"
    return f"{part}: {json.dumps(before)}, not {json.dumps(now)}"


def _suggest(trial: "Trial", dimension: Dimension) -> Any:
    """Draw one dimension."""
    if not isinstance(dimension, Range):
        return trial.suggest_categorical(dimension.name, dimension.labels)
    if dimension.whole:
        return trial.suggest_int(dimension.name, int(dimension.low), int(dimension.high),
                                 step=int(dimension.step or 1), log=dimension.log)
    return trial.suggest_float(dimension.name, dimension.low, dimension.high, step=dimension.step, log=dimension.log)


def _noted(domains: "dict[str, BaseDistribution]", dimension: Dimension, value: Value) -> Value:
    """Note a dimension's domain as Optuna has it; return the value."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(dimension, Range):
        domains[dimension.name] = CategoricalDistribution(dimension.labels)
    elif dimension.whole:
        domains[dimension.name] = IntDistribution(int(dimension.low), int(dimension.high), dimension.log,
                                                  int(dimension.step or 1))
    else:
        domains[dimension.name] = FloatDistribution(dimension.low, dimension.high, dimension.log, dimension.step)
    return value

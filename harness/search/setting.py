"""A proposed setting in progress (its trials, one per seed, and their values), and a setting's key and objectives."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.config.search_block import resolve_params
from harness.config.space import Params
from harness.config.spec import Objective, SearchSpec, TrialSpec
from harness.search.trial_source import PlannedTrial

if TYPE_CHECKING:
    from optuna.trial import Trial

Verdict = tuple[str, tuple[float, ...] | None]  # COMPLETE with values, PRUNED or FAIL: Optuna's states


@dataclass
class ActiveSetting:
    """A proposal of the study whose ``trials``, one per seed, have not all ended; ``values`` are by trial id."""

    proposal: "Trial"
    key: str
    trials: tuple[PlannedTrial, ...]
    started: int = 0
    running: set[str] = field(default_factory=set)
    values: dict[str, tuple[float, ...]] = field(default_factory=dict)
    repeats: list["Trial"] = field(default_factory=list)  # later proposals of the same setting
    halted: bool = False  # a trial was interrupted: no further seed is started now

    @property
    def mean(self) -> tuple[float, ...]:
        """The mean of each objective over the finished seeds."""
        return column_means(list(self.values.values()))

    def has_waiting_seeds(self) -> bool:
        """True if a seed can still be started."""
        return self.started < len(self.trials) and not self.halted


def setting_key(spec: TrialSpec | Mapping[str, Any]) -> str:
    """Return a hash of a setting without its seed; short, because a search keeps the keys of all its settings."""
    plain = dict(spec.to_dict() if isinstance(spec, TrialSpec) else spec)
    plain.pop("seed")
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def params_in_space(search: SearchSpec, spec: Mapping[str, Any]) -> Params | None:
    """Return the parameters that produce a setting, None if the space does not contain it."""
    key = setting_key(spec)
    for params in search.space.matches(spec):
        if setting_key(resolve_params(search, params)) == key:
            return params
    return None


def format_params(params: Params) -> str:
    """Return parameters as text."""
    return " ".join(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
                    for name, value in params.items())


def format_values(objectives: Sequence[Objective], values: Sequence[float], means: Sequence[Sequence[float]]) -> str:
    """Return a trial's objectives as text, each with the best of the settings' ``means`` so far."""
    parts = []
    for place, (objective, value) in enumerate(zip(objectives, values, strict=True)):
        best = max if objective.direction == "maximize" else min
        so_far = f", best so far {best(mean[place] for mean in means):.4g}" if means else ""
        parts.append(f"{objective.score} {value:.4g}{so_far}")
    return "; ".join(parts)


def column_means(values: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return the mean of each column."""
    return tuple(math.fsum(column) / len(column) for column in zip(*values, strict=True))


def objective_values(record: Mapping[str, Any], objectives: Sequence[Objective]) -> tuple[float, ...] | None:
    """Return a finished trial's objectives, None if one is missing or not finite."""
    numbers = {**record["cost"], **record["scores"]}
    values = tuple(float(numbers.get(objective.score, math.nan)) for objective in objectives)
    return values if all(map(math.isfinite, values)) else None

"""A setting under way: its trials, one for each seed, and what they have given so far."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.config.search_block import resolve_params
from harness.config.space import Params
from harness.config.spec import Objective, SearchSpec, TrialSpec
from harness.search.trial_source import Planned

if TYPE_CHECKING:
    from optuna.trial import Trial

Verdict = tuple[str, tuple[float, ...] | None]  # COMPLETE with values, PRUNED or FAIL: Optuna's words


@dataclass
class Setting:
    """One proposal of the study: ``trials`` by seed, ``values`` by trial; ``repeats`` are equal proposals."""

    asked: "Trial"
    key: str
    trials: tuple[Planned, ...]
    begun: int = 0
    running: set[str] = field(default_factory=set)
    values: dict[str, tuple[float, ...]] = field(default_factory=dict)
    repeats: list["Trial"] = field(default_factory=list)
    halted: bool = False  # a trial was interrupted: nothing more of this setting starts now

    @property
    def mean(self) -> tuple[float, ...]:
        """The mean of each objective over the seeds so far."""
        return mean(list(self.values.values()))

    def waiting(self) -> bool:
        """Return whether seeds are left to begin."""
        return self.begun < len(self.trials) and not self.halted


def key_of(spec: TrialSpec | Mapping[str, Any]) -> str:
    """Return what names a setting whatever its seed; a hash, since a search keeps those of all its settings."""
    plain = dict(spec.to_dict() if isinstance(spec, TrialSpec) else spec)
    plain.pop("seed")
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def located(search: SearchSpec, spec: Mapping[str, Any]) -> Params | None:
    """Return the parameters under which the space holds a setting, None where it does not."""
    key = key_of(spec)
    for params in search.space.matches(spec):
        if key_of(resolve_params(search, params)) == key:
            return params
    return None


def mean(values: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return the mean of each column."""
    return tuple(math.fsum(column) / len(column) for column in zip(*values, strict=True))


def values_of(record: Mapping[str, Any], objectives: Sequence[Objective]) -> tuple[float, ...] | None:
    """Return a finished trial's objectives, None where one is missing or not a number."""
    found = {**record["cost"], **record["scores"]}
    values = tuple(float(found.get(objective.score, math.nan)) for objective in objectives)
    return values if all(map(math.isfinite, values)) else None

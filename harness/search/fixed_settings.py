"""The settings that a search tries before its sampler proposes any: unfinished, enqueued, and a grid's cells."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.config.search_block import resolve_params
from harness.config.space import Params
from harness.config.spec import SearchSpec
from harness.errors import UsageError
from harness.search.setting import setting_key
from harness.search.study import ENQUEUED
from harness.search.study_sync import SearchState


@dataclass(frozen=True)
class FixedSetting:
    """A setting to try, and attributes for its proposal; ``paid`` if its trials already count in the budget."""

    params: Params
    attributes: Mapping[str, Any] = field(default_factory=dict)
    paid: bool = False


def fixed_settings(search: SearchSpec, state: SearchState, *, every_cell: bool) -> Iterator[FixedSetting]:
    """Yield unfinished settings, then enqueued ones, then with ``every_cell`` all cells that have not ended."""
    yield from (FixedSetting(params, paid=True) for params in state.retry)
    for number, params in enumerate(search.enqueue):
        if number not in state.enqueued:
            yield FixedSetting(params, {ENQUEUED: number})
    for params in search.space.cells() if every_cell else ():
        if not _has_ended(search, params, state):
            yield FixedSetting(params)


def _has_ended(search: SearchSpec, params: Params, state: SearchState) -> bool:
    """True if a cell's setting has ended; False for one that cannot be planned, so that proposing it says why."""
    try:
        return setting_key(resolve_params(search, params)) in state.ended
    except UsageError:
        return False

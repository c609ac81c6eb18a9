"""Checks before a search starts that model and data support every setting of its space."""

import json

from harness.config.search_block import resolve_params
from harness.config.space import Dimension, Params, Range, extremes
from harness.config.spec import SearchSpec, TrialSpec
from harness.errors import UsageError
from harness.method.compatibility import check, checked_settings


def check_space(search: SearchSpec) -> None:
    """Raise UsageError, in one line, for a setting of the space that must fail; name the dimensions to change."""
    feasible: set[str] = set()
    for params in search.space.corners(every=True):
        spec = resolve_params(search, params)
        part = json.dumps([spec.model.to_dict(), spec.data.to_dict(), checked_settings(spec)])
        fault = "" if part in feasible else _fault(spec)
        if fault:
            raise UsageError(_with_causes(search, params, fault))
        feasible.add(part)


def _fault(spec: TrialSpec) -> str:
    """Return why model or data do not support a setting, "" if they do."""
    try:
        check(spec)
    except UsageError as error:
        return str(error)
    return ""


def _with_causes(search: SearchSpec, params: Params, fault: str) -> str:
    """Return a fault with the file, line and value of the dimensions that cause it."""
    drawn = {dimension.name: dimension for dimension, _ in search.space.walk() if dimension.name in params}
    causes = [dimension for dimension in drawn.values() if _causes(search, params, dimension, fault)]
    if not causes:
        return fault
    values = " ".join(f"{dimension.name}={params[dimension.name]}" for dimension in causes)
    return f"{search.space.places.get(causes[-1].path, 'search')}: search.space: with {values}: {fault}"


def _causes(search: SearchSpec, params: Params, dimension: Dimension, fault: str) -> bool:
    """True if another value of a dimension removes the fault."""
    for value in extremes(dimension) if isinstance(dimension, Range) else dimension.labels:
        try:
            spec = resolve_params(search, search.space.filled({**params, dimension.name: value}))
        except UsageError:  # the value is incompatible with the other settings
            continue
        if _fault(spec) != fault:
            return True
    return False

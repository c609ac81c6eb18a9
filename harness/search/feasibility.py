"""Whether the model and the data can serve what a space holds: asked before a search begins, not in its midst."""

import json

from harness.config.search_block import resolve_params
from harness.config.space import Dimension, Params, Range, extremes
from harness.config.spec import SearchSpec, TrialSpec
from harness.errors import UsageError
from harness.method.compatibility import check, deciding


def check_space(search: SearchSpec) -> None:
    """Raise UsageError, one line, for a setting of the space that could only fail; it names what must be changed."""
    served: set[str] = set()
    for params in search.space.corners(every=True):
        spec = resolve_params(search, params)
        part = json.dumps([spec.model.to_dict(), spec.data.to_dict(), deciding(spec)])
        fault = "" if part in served else _fault(spec)
        if fault:
            raise UsageError(_named(search, params, fault))
        served.add(part)


def _fault(spec: TrialSpec) -> str:
    try:
        check(spec)
    except UsageError as error:
        return str(error)
    return ""


def _named(search: SearchSpec, params: Params, fault: str) -> str:
    """Return a fault with the places and values of the dimensions without which it is not there."""
    drawn = {dimension.name: dimension for dimension, _ in search.space.walk() if dimension.name in params}
    guilty = [dimension for dimension in drawn.values() if _matters(search, params, dimension, fault)]
    if not guilty:
        return fault
    words = " ".join(f"{dimension.name}={params[dimension.name]}" for dimension in guilty)
    return f"{search.space.places.get(guilty[-1].path, 'search')}: search.space: with {words}: {fault}"


def _matters(search: SearchSpec, params: Params, dimension: Dimension, fault: str) -> bool:
    """Return whether another value of a dimension takes the fault away."""
    for value in extremes(dimension) if isinstance(dimension, Range) else dimension.labels:
        try:
            spec = resolve_params(search, search.space.filled({**params, dimension.name: value}))
        except UsageError:  # it does not go with the other settings
            continue
        if _fault(spec) != fault:
            return True
    return False

"""What a search draws from: a tree of dimensions, some of which are there only when a certain option is drawn.

A dimension's ``name`` is the study's parameter, its ``path`` the dotted setting that it decides: the knob ``alpha`` of
the fusion ``blend`` has the path ``fusion.alpha`` and the name ``fusion.blend.alpha``; that of ``spatial`` is another.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations_with_replacement, product
from typing import Any

from harness.config.dotted import at

OFF = "off"  # instead of a loss's knobs: the trial has no such loss
DIGITS = 6  # significant ones of a number that is drawn
Value = bool | int | float | str | None
Params = Mapping[str, Value]


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; whole numbers where the bounds are."""

    name: str
    path: str
    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether it holds integers."""
        return isinstance(self.low, int)

    def tidy(self, value: float) -> float:
        """Return a number with as many digits as a reader wants to see, still within the bounds."""
        if self.whole:
            return value
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    def __contains__(self, value: object) -> bool:
        """Return whether a value may be drawn."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.low <= value <= self.high and (
            self.step is None or math.isclose((value - self.low) / self.step, round((value - self.low) / self.step),
                                              abs_tol=1e-6))

    def values(self) -> list[float] | None:
        """Return every value in order; None where there is no end of them."""
        if self.log or (self.step is None and not self.whole):
            return None
        step = self.step or 1
        return [self.tidy(self.low + step * i) for i in range(round((self.high - self.low) / step) + 1)]


@dataclass(frozen=True)
class Option:
    """One choice: the settings it makes, by dotted path, and the dimensions that are there only with it."""

    label: Value
    given: Mapping[str, Any]
    inner: tuple["Dimension", ...] = ()


@dataclass(frozen=True)
class Options:
    """One of several choices."""

    name: str
    path: str
    options: tuple[Option, ...]

    @property
    def labels(self) -> tuple[Value, ...]:
        """The values that the study knows the options by."""
        return tuple(option.label for option in self.options)

    def __getitem__(self, label: Value) -> Option:
        """Return an option by its label."""
        return self.options[self.labels.index(label)]


Dimension = Range | Options


@dataclass(frozen=True)
class Space:
    """The dimensions that are always there; options hold the others. ``places``: where each setting was written."""

    dimensions: tuple[Dimension, ...]
    places: Mapping[str, str] = field(default_factory=dict, compare=False)

    def draw(self, pick: Callable[[Dimension], Any]) -> tuple[dict[str, Value], dict[str, Any]]:
        """Ask ``pick`` for the value of every dimension that is there; return parameters and dotted settings."""
        params: dict[str, Value] = {}
        given: dict[str, Any] = {}
        waiting = list(reversed(self.dimensions))
        while waiting:
            dimension = waiting.pop()
            value = pick(dimension)
            if isinstance(dimension, Range):
                given[dimension.path] = params[dimension.name] = dimension.tidy(value)
            else:
                params[dimension.name], option = value, dimension[value]
                given |= option.given
                waiting += reversed(option.inner)
        return params, given

    def walk(self) -> Iterator[tuple[Dimension, dict[str, Value]]]:
        """Yield every dimension with the options that must be drawn for it to be there."""
        waiting: list[tuple[Dimension, dict[str, Value]]] = [(d, {}) for d in reversed(self.dimensions)]
        while waiting:
            dimension, needs = waiting.pop()
            yield dimension, needs
            if isinstance(dimension, Options):
                for option in reversed(dimension.options):
                    waiting += [(d, {**needs, dimension.name: option.label}) for d in reversed(option.inner)]

    @property
    def size(self) -> int | None:
        """How many cells there are; None where there is no end of them."""
        return _size(self.dimensions)

    def cells(self) -> Iterator[dict[str, Value]]:
        """Yield the parameters of every cell, the last dimension fastest; only for a space that has a size."""
        return _cells(self.dimensions)

    def corners(self, *, every: bool = False) -> Iterator[dict[str, Value]]:
        """Yield settings in which every pair of dimensions is at all its extremes: what may not go together shows.

        With ``every``, of listed numbers too each one, rather than the smallest and the largest.
        """
        found = [{**needs, dimension.name: value} for dimension, needs in self.walk()
                 for value in (dimension.labels if every and isinstance(dimension, Options) else extremes(dimension))]
        seen = set()
        for a, b in combinations_with_replacement(found, 2):
            if any(a[name] != b[name] for name in a.keys() & b.keys()):
                continue
            params = self.filled(a | b)
            key = tuple(params.items())
            if key not in seen:
                seen.add(key)
                yield params

    def filled(self, given: Params) -> dict[str, Value]:
        """Return a setting's parameters: those given where they are there, each other one at its first extreme."""
        return self.draw(lambda dimension: given.get(dimension.name, extremes(dimension)[0]))[0]

    def matches(self, plain: Mapping[str, Any]) -> Iterator[dict[str, Value]]:
        """Yield the parameters that may have led to a setting, given as a spec's plain data; few are wrong."""
        return _matches(self.dimensions, plain)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data by which two spaces are told apart: each dimension's domain by its name."""
        return {dimension.name: _domain(dimension) for dimension, _ in self.walk()}


def extremes(dimension: Dimension) -> tuple[Value, ...]:
    """Return a range's ends, the smallest and largest of listed numbers, or all choices."""
    if isinstance(dimension, Range):
        return dimension.low, dimension.high
    numbers = [label for label in dimension.labels if isinstance(label, int | float) and not isinstance(label, bool)]
    return (min(numbers), max(numbers)) if len(numbers) == len(dimension.labels) else dimension.labels


def _size(dimensions: tuple[Dimension, ...]) -> int | None:
    total = 1
    for dimension in dimensions:
        if isinstance(dimension, Range):
            values = dimension.values()
            count = None if values is None else len(values)
        else:
            inner = [_size(option.inner) for option in dimension.options]
            count = None if None in inner else sum(size for size in inner if size is not None)
        if count is None:
            return None
        total *= count
    return total


def _cells(dimensions: tuple[Dimension, ...]) -> Iterator[dict[str, Value]]:
    if not dimensions:
        yield {}
        return
    first, rest = dimensions[0], dimensions[1:]
    if isinstance(first, Range):
        heads: Iterator[dict[str, Value]] = ({first.name: value} for value in first.values() or ())
    else:
        heads = ({first.name: option.label, **inner} for option in first.options for inner in _cells(option.inner))
    for head in heads:
        for tail in _cells(rest):
            yield {**head, **tail}


def _matches(dimensions: tuple[Dimension, ...], plain: Mapping[str, Any]) -> Iterator[dict[str, Value]]:
    heads: list[list[dict[str, Value]]] = []
    for dimension in dimensions:
        if isinstance(dimension, Range):
            found = at(plain, dimension.path, OFF)
            heads.append([{dimension.name: found}] if found in dimension else [])
        else:
            heads.append([{dimension.name: option.label, **inner} for option in dimension.options
                          if all(_covers(at(plain, path, OFF), wanted) for path, wanted in option.given.items())
                          for inner in _matches(option.inner, plain)])
    for combined in product(*heads):
        yield {name: value for part in combined for name, value in part.items()}


def _covers(found: Any, wanted: Any) -> bool:
    """Return whether a setting may come from the wanted one; a name stands for a choice whatever its knobs."""
    if isinstance(found, Mapping):
        if isinstance(wanted, list):
            return set(found) == set(wanted)
        if not isinstance(wanted, Mapping):
            return bool(found.get("name") == wanted)
        return all(key in found and _covers(found[key], item) for key, item in wanted.items() if item is not None)
    return bool((list(found) if isinstance(found, tuple) else found) == wanted)


def _domain(dimension: Dimension) -> Any:
    if isinstance(dimension, Range):
        return {"low": dimension.low, "high": dimension.high, "log": dimension.log, "step": dimension.step}
    return [[option.label, option.given] for option in dimension.options]

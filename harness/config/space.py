"""The space of a search: a tree of dimensions, some of which exist only with a certain option of another one.

A dimension's ``name`` is the study's parameter, its ``path`` the dotted setting that it sets: the knob ``alpha`` of
the fusion ``blend`` has the path ``fusion.alpha`` and the name ``fusion.blend.alpha``; that of ``spatial`` has the same
path and another name.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations_with_replacement, product
from typing import Any

from harness.config import dotted

OFF = "off"  # in place of a loss's knobs: the trial does not use this loss
DIGITS = 6  # significant digits of a drawn number
Value = bool | int | float | str | None
Params = Mapping[str, Value]


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; integers if the bounds are integers."""

    name: str
    path: str
    low: float | int
    high: float | int
    log: bool = False
    step: float | int | None = None

    @property
    def whole(self) -> bool:
        """Whether the range holds integers."""
        return isinstance(self.low, int)

    def tidy(self, value: float | int) -> float | int:
        """Round a number to DIGITS significant digits, within the bounds."""
        if self.whole:
            return value
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    def __contains__(self, value: object) -> bool:
        """Return whether a value can be drawn."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.low <= value <= self.high and (
            self.step is None or math.isclose((value - self.low) / self.step, round((value - self.low) / self.step),
                                              abs_tol=1e-6))

    def values(self) -> list[float | int] | None:
        """Return all values in order; None if they are infinitely many."""
        if self.log or (self.step is None and not self.whole):
            return None
        step = self.step or 1
        return [self.tidy(self.low + step * i) for i in range(round((self.high - self.low) / step) + 1)]


@dataclass(frozen=True)
class Option:
    """One option: the settings that it makes, by dotted path, and the dimensions that exist only with it."""

    label: Value
    settings: Mapping[str, Any]
    inner: tuple["Dimension", ...] = ()


@dataclass(frozen=True)
class Options:
    """A dimension with a finite list of options."""

    name: str
    path: str
    options: tuple[Option, ...]

    @property
    def labels(self) -> tuple[Value, ...]:
        """The study's values of the options."""
        return tuple(option.label for option in self.options)

    def __getitem__(self, label: Value) -> Option:
        """Return an option by its label."""
        return self.options[self.labels.index(label)]


Dimension = Range | Options


@dataclass(frozen=True)
class Space:
    """The dimensions that always exist; their options hold the others. ``places``: file and line of each setting."""

    dimensions: tuple[Dimension, ...]
    places: Mapping[str, str] = field(default_factory=dict, compare=False)

    def draw(self, pick: Callable[[Dimension], Any]) -> tuple[dict[str, Value], dict[str, Any]]:
        """Call ``pick`` for the value of each dimension that exists; return parameters and dotted settings."""
        params: dict[str, Value] = {}
        settings: dict[str, Any] = {}
        stack = list(reversed(self.dimensions))
        while stack:
            dimension = stack.pop()
            value = pick(dimension)
            if isinstance(dimension, Range):
                settings[dimension.path] = params[dimension.name] = dimension.tidy(value)
            else:
                params[dimension.name], option = value, dimension[value]
                settings |= option.settings
                stack += reversed(option.inner)
        return params, settings

    def walk(self) -> Iterator[tuple[Dimension, dict[str, Value]]]:
        """Yield each dimension with the options on which its existence depends."""
        stack: list[tuple[Dimension, dict[str, Value]]] = [(d, {}) for d in reversed(self.dimensions)]
        while stack:
            dimension, needs = stack.pop()
            yield dimension, needs
            if isinstance(dimension, Options):
                for option in reversed(dimension.options):
                    stack += [(d, {**needs, dimension.name: option.label}) for d in reversed(option.inner)]

    @property
    def size(self) -> int | None:
        """The number of cells; None if they are infinitely many."""
        return _size(self.dimensions)

    def cells(self) -> Iterator[dict[str, Value]]:
        """Yield the parameters of each cell, the last dimension fastest; only for a finite space."""
        return _cells(self.dimensions)

    def corners(self, *, every: bool = False) -> Iterator[dict[str, Value]]:
        """Yield settings that cover every pair of extreme values (pairwise testing), to find incompatible ones early.

        With ``every``, each number of a list counts as an extreme, not the smallest and the largest alone.
        """
        values = [{**needs, dimension.name: value} for dimension, needs in self.walk()
                  for value in (dimension.labels if every and isinstance(dimension, Options) else extremes(dimension))]
        yielded = set()
        for a, b in combinations_with_replacement(values, 2):
            if any(a[name] != b[name] for name in a.keys() & b.keys()):
                continue
            params = self.filled(a | b)
            key = tuple(params.items())
            if key not in yielded:
                yielded.add(key)
                yield params

    def filled(self, params: Params) -> dict[str, Value]:
        """Return complete parameters: those of ``params`` that exist, the others at their first extreme."""
        return self.draw(lambda dimension: params.get(dimension.name, extremes(dimension)[0]))[0]

    def matches(self, plain: Mapping[str, Any]) -> Iterator[dict[str, Value]]:
        """Yield parameters that may have led to a spec (plain data); few of them lead to another one."""
        return _matches(self.dimensions, plain)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that differs between different spaces: each dimension's domain by its name."""
        return {dimension.name: _domain(dimension) for dimension, _ in self.walk()}


def extremes(dimension: Dimension) -> tuple[Value, ...]:
    """Return a range's ends, the smallest and largest of listed numbers, or all options."""
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
            value = dotted.get(plain, dimension.path, OFF)
            heads.append([{dimension.name: value}] if value in dimension else [])
        else:
            heads.append([{dimension.name: option.label, **inner} for option in dimension.options
                          if all(_covers(dotted.get(plain, path, OFF), goal) for path, goal in option.settings.items())
                          for inner in _matches(option.inner, plain)])
    for combined in product(*heads):
        yield {name: value for part in combined for name, value in part.items()}


def _covers(setting: Any, goal: Any) -> bool:
    """Return whether a setting may come from the one that an option makes; a choice's name matches with any knobs."""
    if isinstance(setting, Mapping):
        if isinstance(goal, list):
            return set(setting) == set(goal)
        if not isinstance(goal, Mapping):
            return bool(setting.get("name") == goal)
        return all(key in setting and _covers(setting[key], item) for key, item in goal.items() if item is not None)
    return bool((list(setting) if isinstance(setting, tuple) else setting) == goal)


def _domain(dimension: Dimension) -> Any:
    if isinstance(dimension, Range):
        return {"low": dimension.low, "high": dimension.high, "log": dimension.log, "step": dimension.step}
    return [[option.label, option.settings] for option in dimension.options]

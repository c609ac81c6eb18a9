"""What the courses of two searches say: means with intervals, paired differences, and whether one beats the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from _samplers.studies import Course
from harness.report.statistics import Interval, holm, mean_interval, seeds_needed, sign_flip, smallest_p

ALPHA = 0.05


@dataclass(frozen=True)
class Measured:
    """A sampler over its seeds: the best objective at the end, the mean of the best so far, PCK on the test split."""

    final: tuple[float, ...]
    area: tuple[float, ...]
    test: tuple[float, ...]


@dataclass(frozen=True)
class Difference:
    """One sampler less another, seed by seed: the mean, its interval, and p by flipping signs."""

    interval: Interval
    p: float


def measured(courses: Mapping[str, Sequence[Course]]) -> dict[str, Measured]:
    """Return each sampler's figures; the area begins where every search has a first value. ValueError without any."""
    every = [course for group in courses.values() for course in group]
    if any(course.best[-1] is None for course in every):
        raise ValueError("a search ended without a finished setting")
    begin = max(next(i for i, value in enumerate(course.best) if value is not None) for course in every)
    found = {}
    for sampler, group in courses.items():
        known = [[value for value in course.best[begin:] if value is not None] for course in group]
        found[sampler] = Measured(tuple(values[-1] for values in known),
                                  tuple(sum(values) / len(values) for values in known),
                                  tuple(course.test for course in group if course.test is not None))
    return found


def differences(a: Sequence[float], others: Sequence[Sequence[float]]) -> list[Difference]:
    """Return ``a`` less each of the others, paired by seed; p is corrected (Holm) for their number."""
    pairs = [[x - y for x, y in zip(a, other, strict=True)] for other in others]
    raw = [float(sign_flip([pair])[0]) for pair in pairs]
    return [Difference(mean_interval(pair), p) for pair, p in zip(pairs, holm(raw), strict=True)]


def verdict(a: str, b: str, found: Difference, better: int, tests: int) -> str:
    """Return in words whether ``a`` beats ``b``; ``better`` is 1 where more is better, -1 where less is."""
    mean, seeds = found.interval.mean, found.interval.count
    if found.p <= ALPHA:
        winner, loser = (a, b) if better * mean > 0 else (b, a)
        return f"{winner} beats {loser}."
    if tests * smallest_p(seeds) > ALPHA:
        return f"Whether {a} beats {b} cannot be told from {seeds} sampler seeds; {seeds_needed(tests)} are the fewest."
    return f"Neither is shown to beat the other: {a} and {b} differ by no more than chance may do."

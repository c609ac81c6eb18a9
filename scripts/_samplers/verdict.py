"""Statistics of the searches: means with intervals, paired differences, and a verdict in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from _samplers.studies import Course
from harness.report.statistics import Interval, holm, mean_interval, seeds_needed, sign_flip, smallest_p

ALPHA = 0.05


@dataclass(frozen=True)
class Measured:
    """A sampler's figures, one per seed: best objective at the end, mean of the best so far, PCK on the test split."""

    final: tuple[float, ...]
    area: tuple[float, ...]
    test: tuple[float, ...]


@dataclass(frozen=True)
class Difference:
    """One sampler minus another, paired by seed: the mean's interval, and p of a sign-flip test."""

    interval: Interval
    p: float


def measured(courses: Mapping[str, Sequence[Course]]) -> dict[str, Measured]:
    """Return each sampler's figures; ``area`` starts at the trial where every search has a value, else ValueError."""
    all_courses = [course for group in courses.values() for course in group]
    if any(course.best[-1] is None for course in all_courses):
        raise ValueError("a search ended without a finished setting")
    begin = max(next(i for i, value in enumerate(course.best) if value is not None) for course in all_courses)
    figures = {}
    for sampler, group in courses.items():
        series = [[value for value in course.best[begin:] if value is not None] for course in group]
        figures[sampler] = Measured(tuple(values[-1] for values in series),
                                    tuple(sum(values) / len(values) for values in series),
                                    tuple(course.test for course in group if course.test is not None))
    return figures


def differences(a: Sequence[float], others: Sequence[Sequence[float]]) -> list[Difference]:
    """Return ``a`` minus each of the others, paired by seed; p is Holm-corrected for their number."""
    pairs = [[x - y for x, y in zip(a, other, strict=True)] for other in others]
    raw = [float(sign_flip([pair])[0]) for pair in pairs]
    return [Difference(mean_interval(pair), p) for pair, p in zip(pairs, holm(raw), strict=True)]


def verdict(a: str, b: str, difference: Difference, better: int, tests: int) -> str:
    """Return the verdict on ``a`` and ``b`` in words; ``better`` is 1 if higher is better, -1 if lower is."""
    mean, seeds = difference.interval.mean, difference.interval.count
    if difference.p <= ALPHA:
        winner, loser = (a, b) if better * mean > 0 else (b, a)
        return f"{winner} beats {loser}."
    if tests * smallest_p(seeds) > ALPHA:
        return f"Whether {a} beats {b} cannot be told from {seeds} sampler seeds; {seeds_needed(tests)} are the fewest."
    return f"Neither is shown to beat the other: {a} and {b} differ by no more than chance may do."

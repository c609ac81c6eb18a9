"""What became slower, or takes more memory, between two runs of the bench.

Ratios to a group's base are compared, not seconds: the base is no code of the harness, so load and machine cancel. A
case is slower if its median ratio grew by more than the noise: half the spread between rounds, of both runs together,
and at least NOISE.
"""

from collections.abc import Iterator, Mapping
from typing import Any

NOISE = 0.1  # relative; two runs of the same code differ by that much on a busy machine
MEMORY, MEGABYTES = 0.1, 5.0  # growth that counts: relative, and beyond what an allocator may round

Groups = Mapping[str, Mapping[str, Any]]


def worse(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return a line for each case that is slower or takes more memory, in two runs' sections.

    >>> def run(ratio):
    ...     case = {"seconds": ratio, "ratio": ratio, "low": 0.99 * ratio, "high": 1.01 * ratio}
    ...     return {"step": {"groups": {"tiny": {"base": "plain", "cases": {"ours": case}}}}}
    >>> worse(run(2.0), run(2.1)), worse(run(2.0), run(3.0))
    ([], ['step, tiny: ours is slower: 3 times plain, it was 2 (+50%; noise 10%)'])
    """
    return [line for place, before, after, base in _shared(old, new) for line in _lines(place, before, after, base)]


def unshared(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the groups and cases of the new run that the old one lacks, such as other sizes."""
    shared = {place for place, *_ in _shared(old, new)}
    return [f"{name}, {title}: {case}" for name, title, case, _ in _cases(new) if (name, title, case) not in shared]


def _shared(old: Mapping[str, Any], new: Mapping[str, Any]
            ) -> Iterator[tuple[tuple[str, str, str], Mapping[str, Any], Mapping[str, Any], str]]:
    before = {(name, title, case): group for name, title, case, group in _cases(old)}
    for name, title, case, group in _cases(new):
        other = before.get((name, title, case))
        if other is not None and other["base"] == group["base"]:
            yield (name, title, case), other["cases"][case], group["cases"][case], group["base"]


def _cases(sections: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    for name, figures in sections.items():
        for title, group in figures.get("groups", {}).items():
            for case in group["cases"]:
                yield name, title, case, group


def _lines(place: tuple[str, str, str], before: Mapping[str, Any], after: Mapping[str, Any], base: str
           ) -> Iterator[str]:
    where, case = ", ".join(place[:2]), place[2]
    noise = max(NOISE, (_spread(before) + _spread(after)) / 2)
    grown = after["ratio"] / before["ratio"] - 1
    if grown > noise:
        yield (f"{where}: {case} is slower: {after['ratio']:g} times {base}, it was {before['ratio']:g} "
               f"({grown:+.0%}; noise {noise:.0%})")
    if "megabytes" in before and "megabytes" in after:
        more = after["megabytes"] - before["megabytes"]
        if more > max(MEGABYTES, MEMORY * before["megabytes"]):
            yield f"{where}: {case} takes more memory: {after['megabytes']:g} MB, it was {before['megabytes']:g} MB"


def _spread(case: Mapping[str, Any]) -> float:
    return float((case["high"] - case["low"]) / case["ratio"])

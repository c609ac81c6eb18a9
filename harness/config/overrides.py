"""The `--set key=value` flags: parse each one and apply it to an experiment's YAML document."""

import re
from collections.abc import Mapping, Sequence

from harness.config.located_yaml import Located, parse
from harness.config.search_block import KEYS as SEARCH_KEYS
from harness.config.settings import SETTINGS, expect_mapping
from harness.errors import UsageError, nearest

KEYS = ("name", "trial", "grid", "search", "seeds", "report")  # the top level of an experiment
FLAG = "--set "  # begins the place of a value that comes from a flag

Document = Mapping[str, Located]


def apply_overrides(document: Document, overrides: Sequence[str]) -> Document:
    """Return the document with ``key=value`` overrides applied, which win over the file; UsageError names the flag."""
    for override in overrides:
        document = _apply(document, override)
    return _drop_overridden(document)


def varied_settings(document: Document) -> Mapping[str, Located]:
    """Return the settings that the grid or the search varies, by dotted path.

    A search's ``losses.NAME`` is left out: its options start from the knobs that the trial gives this loss.
    """
    if "search" not in document:
        grid = document.get("grid")
        return expect_mapping(grid, "grid") if grid is not None and grid.value is not None else {}
    space = expect_mapping(document["search"], "search").get("space")
    dimensions = expect_mapping(space, "search.space") if space is not None else {}
    return {path: value for path, value in dimensions.items() if not re.fullmatch(r"losses\.[^.]*", path)}


def is_within(path: str, axis: str) -> bool:
    """Return whether a dotted setting is the axis itself or lies below it."""
    return f"{path}.".startswith(f"{axis}.")


def _apply(document: Document, override: str) -> Document:
    """Return the document with one override applied; `trial.` and `grid.` take dotted settings."""
    flag = f"{FLAG}{override if len(override) <= 80 else override[:77] + '...'}"
    path, equals, text = override.partition("=")
    path = path.strip()
    if not equals or not path:
        raise UsageError(f"{flag}: expected key=value, such as trial.steps=50")
    first, _, rest = path.partition(".")
    if first in SETTINGS:
        raise UsageError(f"{flag}: unknown key {path!r}; did you mean 'trial.{path}' or 'grid.{path}'?")
    if first not in KEYS:
        raise UsageError(f"{flag}: unknown key {path!r}{nearest(first, KEYS)}")
    value = parse(text, flag, lines=False)
    if not rest:
        return {**document, first: value}
    if first == "search":
        if "search" not in document:
            raise UsageError(f"{flag}: the experiment has no 'search'; `harness run` runs its grid")
        group = document["search"]
        return {**document, first: Located(_apply_to_search(expect_mapping(group, first), rest, value, flag),
                                           group.where)}
    if first not in ("trial", "grid", "report"):
        raise UsageError(f"{flag}: {first!r} has nothing below it")
    group = document.get(first, Located({}, flag))
    return {**document, first: Located({**expect_mapping(group, first), rest: value}, group.where)}


def _apply_to_search(search: Mapping[str, Located], path: str, value: Located, flag: str) -> dict[str, Located]:
    """Return the `search:` block with one key, or one item of a key's group, replaced."""
    first, _, rest = path.partition(".")
    if first not in SEARCH_KEYS:
        raise UsageError(f"{flag}: search: unknown key {first!r}{nearest(first, SEARCH_KEYS)}")
    if not rest:
        return {**search, first: value}
    if first not in ("sampler", "pruner", "space", "budget"):
        raise UsageError(f"{flag}: 'search.{first}' has nothing below it")
    group = search.get(first, Located({}, flag))
    if first in ("sampler", "pruner") and isinstance(group.value, str):
        group = Located({"name": group}, group.where)
    return {**search, first: Located({**expect_mapping(group, f"search.{first}"), rest: value}, group.where)}


def _drop_overridden(document: Document) -> Document:
    """Return the document without those settings of its trial that lie below a flag's setting, or in a flag's axis."""
    trial = document.get("trial")
    if trial is None or not isinstance(trial.value, dict):
        return document
    flagged = [path for path, value in trial.value.items() if value.where.startswith(FLAG)]
    axes = [path for path, values in varied_settings(document).items() if values.where.startswith(FLAG)]
    kept = {path: value for path, value in trial.value.items() if path in flagged or not (
        any(path.startswith(f"{setting}.") for setting in flagged) or any(is_within(path, axis) for axis in axes))}
    return {**document, "trial": Located(kept, trial.where)}

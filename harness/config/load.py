"""YAML -> frozen, validated Experiment: find the file, apply overrides, check every value of the grid."""

import re
from collections.abc import Collection, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from harness.config.grid import Cells
from harness.config.located_yaml import Located, parse
from harness.config.report_block import read_report
from harness.config.search_block import KEYS as SEARCH_KEYS
from harness.config.search_block import read_search, settled
from harness.config.settings import SETTINGS, base, described, mapping
from harness.config.spec import Experiment
from harness.errors import UsageError, nearest

KEYS = ("name", "trial", "grid", "search", "seeds", "report")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
FLAG = "--set "  # begins the place of a value that no file holds
RESERVED = ("artifacts", "reference")  # folders of results/ that are no experiment's
MOST_TRIALS = 1_000_000  # a slip such as `seeds: 20260101` would otherwise be planned for hours


def load(experiment: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Return the experiment that a path or a shipped name stands for, with ``key=value`` overrides applied.

    Every setting is checked here, before anything starts; UsageError names file and line, or the flag.
    """
    path = find(str(experiment))
    root = parse(_text(path), _shown(path))
    if root.value is None:
        raise UsageError(f"{_shown(path)}: the file is empty")
    document = dict(mapping(root, "experiment"))
    for override in overrides:
        document = _override(document, override)
    document = _flags_first(document)
    for key, value in document.items():
        if key not in KEYS:
            raise UsageError(f"{value.where}: unknown key {key!r}{nearest(key, KEYS)}")
    if "name" not in document:
        raise UsageError(f"{_shown(path)}: the key 'name' is missing")
    name = _name(document["name"])
    axes = _axes({} if "search" in document else _varied(document))
    seeds = _seeds(document.get("seeds", Located(1, "default")))
    if prod(map(len, axes.values())) * len(seeds) > MOST_TRIALS:
        raise UsageError(f"{_shown(path)}: more than {MOST_TRIALS} trials; check 'grid' and 'seeds'")
    if "search" in document:
        return _searched(name, document, seeds, _shown(path))
    trials = _trials(document.get("trial"), axes, seeds)
    report = read_report(document.get("report"), tuple(axes), tuple(trials.examples()))
    return Experiment(name, trials, tuple(axes), seeds, report, _shown(path))


def _searched(name: str, document: Mapping[str, Located], seeds: tuple[int, ...], source: str) -> Experiment:
    """Return an experiment whose trials a search finds."""
    if document.get("grid") is not None:
        raise UsageError(f"{document['grid'].where}: 'grid' and 'search' exclude each other; list its values under "
                         f"search.space, and for every cell of it set search.sampler: grid")
    _check_no_dead_setting(document.get("trial"), _varied(document), "search.space")
    search = read_search(document["search"], document.get("trial"), len(seeds))
    examples = [settled(search, params) for params in search.space.corners(every=True)]
    paths = tuple(dict.fromkeys(dimension.path for dimension, _ in search.space.walk()))
    report = read_report(document.get("report"), paths, examples, searched=True)
    return Experiment(name, (), paths, seeds, report, source, search)


def find(experiment: str) -> Path:
    """Return the file that a path or a shipped name such as `fusion` stands for."""
    given = Path(experiment)
    if given.suffix in (".yaml", ".yml"):
        candidates = [given]
    else:
        candidates = [folder / f"{experiment}.yaml" for folder in shipped_folders()] + [given]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    if given.is_dir() and experiment:
        raise UsageError(f"{experiment}: is a folder, not an experiment")
    raise UsageError(f"{experiment}: no such experiment{nearest(given.stem, shipped(), 'shipped')}")


def shipped_folders() -> tuple[Path, ...]:
    """Return where bare experiment names are looked up: here, then beside the package."""
    return Path("experiments"), Path(__file__).parents[2] / "experiments"


def shipped() -> tuple[str, ...]:
    """Return the experiment names that need no path."""
    return tuple(sorted({file.stem for folder in shipped_folders() for file in folder.glob("*.yaml")}))


def question(experiment: str) -> str:
    """Return the first line of an experiment's leading comment: what it asks."""
    first = _text(find(experiment)).partition("\n")[0]
    return first.lstrip("# ").rstrip() if first.startswith("#") else ""


def _shown(path: Path) -> str:
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(path)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{_shown(path)}: not a text file (UTF-8)") from None
    except OSError as error:
        raise UsageError(f"{_shown(path)}: cannot be read: {error.strerror}") from None


def _override(document: Mapping[str, Located], override: str) -> dict[str, Located]:
    """Return the document with one `--set` applied; `trial.` and `grid.` take dotted settings."""
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
        return {**document, first: Located(_search_override(mapping(group, first), rest, value, flag), group.where)}
    if first not in ("trial", "grid", "report"):
        raise UsageError(f"{flag}: {first!r} has nothing below it")
    group = document.get(first, Located({}, flag))
    return {**document, first: Located({**mapping(group, first), rest: value}, group.where)}


def _search_override(search: Mapping[str, Located], path: str, value: Located, flag: str) -> dict[str, Located]:
    """Return the `search:` block with one key, or what one of its groups holds, replaced."""
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
    return {**search, first: Located({**mapping(group, f"search.{first}"), rest: value}, group.where)}


def _flags_first(document: dict[str, Located]) -> dict[str, Located]:
    """Return the document without what its file's trial says below a setting that a flag sets, or of one it varies."""
    trial = document.get("trial")
    if trial is None or not isinstance(trial.value, dict):
        return document
    given = [path for path, value in trial.value.items() if value.where.startswith(FLAG)]
    axes = [path for path, values in _varied(document).items() if values.where.startswith(FLAG)]
    kept = {path: value for path, value in trial.value.items() if path in given or not (
        any(path.startswith(f"{flagged}.") for flagged in given) or any(_within(path, axis) for axis in axes))}
    return {**document, "trial": Located(kept, trial.where)}


def _varied(document: Mapping[str, Located]) -> Mapping[str, Located]:
    """Return what replaces the trial's settings: axes, and dimensions but for one loss's, which start from them."""
    if "search" not in document:
        grid = document.get("grid")
        return mapping(grid, "grid") if grid is not None and grid.value is not None else {}
    space = mapping(document["search"], "search").get("space")
    dimensions = mapping(space, "search.space") if space is not None else {}
    return {path: value for path, value in dimensions.items() if not re.fullmatch(r"losses\.[^.]*", path)}


def _within(path: str, axis: str) -> bool:
    """Return whether a setting is what an axis varies, or lies below it."""
    return f"{path}.".startswith(f"{axis}.")


def _name(value: Located) -> str:
    name = value.value
    if not isinstance(name, str) or not NAME.fullmatch(name):
        rule = "expected small letters, digits, '-' and '_', at most 64"
        raise UsageError(f"{value.where}: name: {name!r} is not valid; {rule}")
    if name in RESERVED:
        raise UsageError(f"{value.where}: name: {name!r} is taken by a folder of results/")
    return name


def _seeds(value: Located) -> tuple[int, ...]:
    if isinstance(value.value, tuple):
        for i, item in enumerate(value.value):
            if not _is_count(item.value) or item.value >= 2**32:
                raise UsageError(f"{item.where}: seeds: {item.plain!r} is not valid; expected integers >= 0")
            if item.value in (earlier.value for earlier in value.value[:i]):
                raise UsageError(f"{item.where}: seeds: {item.value} stands twice")
        seeds = tuple(item.value for item in value.value)
    elif _is_count(value.value):
        if value.value > MOST_TRIALS:
            raise UsageError(f"{value.where}: seeds: {value.value} is out of range; expected 1 to {MOST_TRIALS}")
        seeds = tuple(range(value.value))
    else:
        raise UsageError(f"{value.where}: seeds: expected a list of integers or a count, found {described(value)}")
    if not seeds:
        raise UsageError(f"{value.where}: seeds: expected at least one")
    return seeds


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _axes(grid: Mapping[str, Located]) -> dict[str, tuple[Located, ...]]:
    axes: dict[str, tuple[Located, ...]] = {}
    for path, values in grid.items():
        if not isinstance(values.value, tuple) or not values.value:
            found = "an empty list" if values.value == () else described(values)
            raise UsageError(f"{values.where}: grid.{path}: expected a list of values, found {found}")
        axes[path] = values.value
    return axes


def _trials(trial: Located | None, axes: Mapping[str, tuple[Located, ...]], seeds: Sequence[int]) -> Cells:
    """Return the product of the axes in the order written, seeds innermost; each is made when it is asked for."""
    settings = base(trial if trial is not None and trial.value is not None else None)
    _check_no_dead_setting(trial, axes, "grid")
    return Cells(settings, axes, seeds)


def _check_no_dead_setting(trial: Located | None, axes: Collection[str], group: str) -> None:
    given = mapping(trial, "trial") if trial is not None and trial.value is not None else {}
    for path, value in given.items():
        for axis in axes:
            if _within(path, axis):
                reason = f"has no effect, because the {group.rpartition('.')[2]} varies it; set {group}.{axis}"
                raise UsageError(f"{value.where}: trial.{path}: {reason}")

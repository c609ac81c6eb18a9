"""YAML -> frozen, validated Experiment: find the file, apply overrides, check every value of the grid."""

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile
from math import prod
from pathlib import Path
from typing import Any

from harness.config.grid import Cells
from harness.config.idle import idle_remark
from harness.config.located_yaml import Located, parse
from harness.config.overrides import FLAG, KEYS, apply_overrides, is_within, varied_settings
from harness.config.report_block import read_report
from harness.config.search_block import read_params, read_search, resolve_params
from harness.config.settings import SETTINGS, describe, expect_mapping, fill_defaults
from harness.config.spec import Experiment, ReportSpec, TrialSpec
from harness.errors import UsageError, nearest

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
RESERVED = ("artifacts", "reference")  # folders of results/ that are not experiments
LARGEST_SEED = 2**32 - 1
MOST_TRIALS = 1_000_000  # a slip such as `seeds: 20260101` would otherwise be planned for hours


def load(experiment: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Load an experiment and check every setting of it, before anything starts.

    Args:
        experiment: path of a YAML file, or the name of a shipped experiment such as `fusion`.
        overrides: ``key=value`` as after `--set`: dotted key, value in YAML; they win over the file.

    Returns:
        The frozen experiment. The trials of a grid are made on access; a search has none before it runs.

    Raises:
        UsageError: one line with file and line, or the flag; the value, and what is allowed.

    Example:
        >>> experiment = load("quick", ["seeds=2", "grid.fusion=[none, {name: blend, alpha: 0.5}]"])
        >>> len(experiment.trials), experiment.axes, experiment.trials[3].fusion.name
        (4, ('fusion',), 'blend')
    """
    path = find(str(experiment))
    root = parse(_read(path), _relative(path))
    if root.value is None:
        raise UsageError(f"{_relative(path)}: the file is empty")
    document = apply_overrides(expect_mapping(root, "experiment"), overrides)
    for key, value in document.items():
        if key.partition(".")[0] in SETTINGS:
            raise UsageError(f"{value.where}: {key!r} is a setting of the trial; write it under 'trial:', or its list "
                             "of values under 'grid:'")
        if key not in KEYS:
            raise UsageError(f"{value.where}: unknown key {key!r}{nearest(key, KEYS)}")
    if "name" not in document:
        raise UsageError(f"{_relative(path)}: the key 'name' is missing")
    name = read_name(document["name"])
    axes = _axes({} if "search" in document else varied_settings(document))
    seeds = _seeds(document.get("seeds", Located(1, "default")))
    if prod(map(len, axes.values())) * len(seeds) > MOST_TRIALS:
        raise UsageError(f"{_relative(path)}: more than {MOST_TRIALS} trials; check 'grid' and 'seeds'")
    if "search" in document:
        return _load_search(name, document, seeds, _relative(path))
    trials = _trials(document.get("trial"), axes, seeds)
    report = _report(document, tuple(axes), tuple(trials.examples()), trials.remark)
    return Experiment(name, trials, tuple(axes), seeds, report, _relative(path), remark=trials.remark)


def _load_search(name: str, document: Mapping[str, Located], seeds: tuple[int, ...], source: str) -> Experiment:
    """Return an experiment whose trials are found by a search."""
    if document.get("grid") is not None:
        raise UsageError(f"{document['grid'].where}: 'grid' and 'search' exclude each other; list its values under "
                         f"search.space, and for every cell of it set search.sampler: grid")
    _check_no_dead_setting(document.get("trial"), varied_settings(document), "search.space")
    search = read_search(document["search"], document.get("trial"), len(seeds))
    corners = tuple(search.space.corners(every=True))
    examples = [resolve_params(search, params) for params in corners]
    remark = idle_remark(read_params(search, params) for params in corners)
    paths = tuple(dict.fromkeys(dimension.path for dimension, _ in search.space.walk()))
    report = _report(document, paths, examples, remark, searched=True)
    return Experiment(name, (), paths, seeds, report, source, search, remark)


def _report(document: Mapping[str, Located], paths: tuple[str, ...], examples: Sequence[TrialSpec], remark: str, *,
            searched: bool = False) -> ReportSpec:
    """Return the report's layout; an error names the settings that were replaced, for it may come from them."""
    try:
        return read_report(document.get("report"), paths, examples, searched=searched)
    except UsageError as error:
        if not remark:
            raise
        raise UsageError(f"{error}; {remark}") from None


def find(experiment: str) -> Path:
    """Return the YAML file of a path or of a shipped name such as `fusion`."""
    path = Path(experiment)
    if path.suffix in (".yaml", ".yml"):
        # `experiments/fusion.yaml`, as the documents write it, is found outside a checkout too.
        is_shipped = path.parts[:1] == ("experiments",) and ".." not in path.parts
        candidates = [path, *([shipped_folders()[1].joinpath(*path.parts[1:])] if is_shipped else [])]
    else:
        candidates = [folder / f"{experiment}.yaml" for folder in shipped_folders()] + [path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    if path.is_dir() and experiment:
        raise UsageError(f"{experiment}: is a folder, not an experiment")
    if "=" in experiment:
        raise UsageError(f"{experiment}: is a setting, not an experiment; name the experiment first, then write --set "
                         f"{experiment}")
    raise UsageError(f"{experiment}: no such experiment{nearest(path.stem, shipped(), 'shipped')}")


def shipped_folders() -> tuple[Path, ...]:
    """Return the folders in which bare names are looked up: ./experiments, then the shipped one.

    The shipped one lies beside the package in a checkout, and in the package where a wheel was installed.
    """
    package = Path(__file__).parents[1]
    inside = package / "experiments"
    return Path("experiments"), inside if inside.is_dir() else package.parent / "experiments"


def shipped() -> tuple[str, ...]:
    """Return the names of the shipped experiments, which need no path."""
    return tuple(sorted({file.stem for folder in shipped_folders() for file in folder.glob("*.yaml")}))


def question(experiment: str) -> str:
    """Return the question that an experiment asks: the first line of its leading comment, "" if none."""
    return next(iter(heading(find(experiment))), "")


def heading(path: Path) -> list[str]:
    """Return the lines of the comment at the head of an experiment's file, without the one for editors."""
    lines = takewhile(lambda line: line.startswith("#"), _read(path).splitlines())
    return [text for line in lines if (text := line.lstrip("# ").rstrip())
            and not text.startswith("yaml-language-server:")]


def _relative(path: Path) -> str:
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(path)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{_relative(path)}: not a text file (UTF-8)") from None
    except OSError as error:
        raise UsageError(f"{_relative(path)}: cannot be read: {error.strerror}") from None


def read_name(value: Located) -> str:
    """Return an experiment's name; raise UsageError if it is not valid."""
    name = value.value
    if not isinstance(name, str) or not NAME.fullmatch(name):
        rule = "expected small letters, digits, '-' and '_', at most 64"
        word = "null" if name is None else str(name).lower() if isinstance(name, bool | int) else ""
        quoted = f"; quote it, for YAML takes it for no word: name: \"{word}\"" if NAME.fullmatch(word) else ""
        raise UsageError(f"{value.where}: name: {name!r} is not valid{quoted}; {rule}")
    if name in RESERVED:
        raise UsageError(f"{value.where}: name: {name!r} is taken by a folder of results/")
    return name


def _seeds(value: Located) -> tuple[int, ...]:
    if isinstance(value.value, tuple):
        for i, item in enumerate(value.value):
            if not _is_count(item.value) or item.value > LARGEST_SEED:
                raise UsageError(f"{item.where}: seeds: {item.plain!r} is not valid; expected whole numbers from 0 to "
                                 f"{LARGEST_SEED}")
            if item.value in (earlier.value for earlier in value.value[:i]):
                raise UsageError(f"{item.where}: seeds: {item.value} is listed twice")
        seeds = tuple(item.value for item in value.value)
    elif _is_count(value.value):
        if value.value > MOST_TRIALS:
            raise UsageError(f"{value.where}: seeds: {value.value} is out of range; expected 1 to {MOST_TRIALS}")
        seeds = tuple(range(value.value))
    else:
        raise UsageError(f"{value.where}: seeds: expected a list of integers or a count, found {describe(value)}")
    if not seeds:
        raise UsageError(f"{value.where}: seeds: expected at least one")
    return seeds


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _axes(grid: Mapping[str, Located]) -> dict[str, tuple[Located, ...]]:
    axes: dict[str, tuple[Located, ...]] = {}
    for path, values in grid.items():
        if not isinstance(values.value, tuple) or not values.value:
            text = "an empty list" if values.value == () else describe(values)
            raise UsageError(f"{values.where}: grid.{path}: expected a list of values, found {text}")
        axes[path] = values.value
    return axes


def _trials(trial: Located | None, axes: Mapping[str, tuple[Located, ...]], seeds: Sequence[int]) -> Cells:
    """Return the product of the axes in the order written, seeds innermost; each trial is made on access."""
    settings = fill_defaults(trial)
    _check_no_dead_setting(trial, axes, "grid")
    return Cells(settings, axes, seeds)


def _check_no_dead_setting(trial: Located | None, axes: Collection[str], group: str) -> None:
    settings = expect_mapping(trial, "trial") if trial is not None and trial.value is not None else {}
    for path, value in settings.items():
        for axis in axes:
            if is_within(path, axis):
                advice = (f"set {group}.{axis}, to a list of values" if value.where.startswith(FLAG) else
                          f"delete this line, or, to fix the setting, {group}.{axis}")
                raise UsageError(f"{value.where}: trial.{path}: has no effect, because the "
                                 f"{group.rpartition('.')[2]} varies it; {advice}")

"""Completion of a command line in the shell: commands, flags, variants, knobs, experiments and trial ids.

The shell waits for every answer, so nothing heavy is imported. The parser of a command is its own, but the packages
that its file imports are replaced by empty ones; variants and knobs come from the schema beside the experiments.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = Path(__file__).parents[1]
HEAVY = ("config", "method", "report", "runner", "search", "store")  # packages of harness that are replaced
LINE, POINT = "COMP_LINE", "COMP_POINT"  # the shell's: what is typed, and where the cursor stands in it
MOST = 2000  # trial ids in one answer
Completer = Callable[..., Iterable[str]]


def complete(parser: argparse.ArgumentParser, commands: dict[str, str]) -> None:
    """Answer the shell and end the process; ``parser`` gets the commands, and the flags of the one in the line."""
    try:
        import argcomplete
    except ModuleNotFoundError:
        return
    line = os.environ.get(LINE, "")[:int(os.environ.get(POINT, "0"))].split(" ")
    chosen = next((word for word in line[1:-1] if word in commands), None)
    choices = parser.add_subparsers()
    for name, meaning in commands.items():
        command = choices.add_parser(name, help=meaning)
        if name == chosen:
            sys.meta_path.insert(0, _Replacements())
            importlib.import_module(f"harness.cli.{name}").arguments(command)
            for action in command._actions:
                if action.choices is None:
                    action.completer = COMPLETERS.get(action.dest, _nothing)  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser, always_complete_options=False)


class _Replacements:
    """Finds the heavy packages as modules in which every name is an empty class."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        first, _, rest = name.partition(".")
        is_heavy = first == "harness" and rest.split(".")[0] in HEAVY
        return ModuleSpec(name, self, is_package=True) if is_heavy else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Empty(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module empty."""


class _Empty(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda self, *positional, **named: None})


def _schema() -> dict[str, Any]:
    for folder in (PACKAGE / "experiments", PACKAGE.parent / "experiments"):
        if (folder / "schema.json").is_file():
            content: dict[str, Any] = json.loads((folder / "schema.json").read_bytes())
            return content
    return {"definitions": {}}


def _values(part: dict[str, Any]) -> list[str]:
    """Return the values that a setting's schema lists, else its default."""
    options = part.get("anyOf", [part])
    named = [value for option in options for value in (*option.get("enum", ()), option.get("const"))]
    if any(option.get("type") == "boolean" for option in options):
        named += [True, False]
    listed = [value for value in named if value is not None] or [option.get("default") for option in options]
    return [value if isinstance(value, str) else json.dumps(value) for value in listed if value not in (None, "")]


def _settings(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Iterator[str]:
    """Yield keys, and after the equals sign values, of a flag --set."""
    definitions = _schema()["definitions"]
    own = {path: part for path, part in definitions.items() if not path.startswith("space.")}
    key, equals, _text = prefix.partition("=")
    if equals:
        group, _dot, path = key.partition(".")
        yield from (f"{key}={value}" for value in _values(own.get(path, {})) if group == "trial")
        return
    yield from (f"{group}.{path}=" for group in ("trial", "grid") for path in own)
    yield from (f"search.{path}=" for path in definitions if path.startswith("space."))
    yield from ("seeds=", "name=", "report.rows=", "report.tests=", "report.columns=", "report.effects=",
                *(f"search.{key}=" for key in ("sampler", "pruner", "objective", "budget.trials", "budget.minutes")))


def _where(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Iterator[str]:
    """Yield settings and values of a flag --where, after those that stand there already."""
    before, comma, last = prefix.rpartition(",")
    own = {path: part for path, part in _schema()["definitions"].items() if not path.startswith("space.")}
    key, equals, _text = last.partition("=")
    found = (f"{key}={value}" for value in _values(own.get(key, {}))) if equals else (f"{path}=" for path in own)
    yield from (f"{before}{comma}{text}" for text in found)


def _experiments(prefix: str, **_: Any) -> Iterator[str]:
    """Yield the experiments of ./experiments and the shipped ones, and files and folders that begin so."""
    folders = (Path("experiments"), PACKAGE / "experiments", PACKAGE.parent / "experiments")
    yield from sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    place = Path(prefix) if prefix.endswith("/") else Path(prefix).parent
    head = prefix if prefix.endswith("/") else prefix[:len(prefix) - len(Path(prefix).name)]
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        if path.suffix in (".yaml", ".yml") or (path.is_dir() and not path.name.startswith(".")):
            yield f"{head}{path.name}" + "/" * path.is_dir()


def _results(parsed_args: argparse.Namespace) -> Path:
    return Path(getattr(parsed_args, "results", None) or os.environ.get("HARNESS_RESULTS") or "results").expanduser()


def _recorded(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return sorted(path.parent.name for path in _results(parsed_args).glob("*/trials"))


def _trials(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Iterator[str]:
    """Yield the ids that begin so, MOST of them at most."""
    left = MOST
    for folder in _results(parsed_args).glob("*/trials"):
        for entry in os.scandir(folder):
            if entry.name.startswith(prefix) and not entry.name.startswith(".") and left:
                left -= 1
                yield entry.name


def _sides(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return [*_recorded(parsed_args), *(_trials(prefix, parsed_args) if prefix else ())]


def _reported(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return [*_recorded(parsed_args), *(name for name in _experiments(prefix) if name.endswith((".yaml", ".yml", "/")))]


def _kinds(**_: Any) -> Sequence[str]:
    from harness.registry import KINDS

    return (*KINDS, "trial", "experiments")


def _datasets(**_: Any) -> Sequence[str]:
    from harness.registry import names

    return names("data")


def _files(prefix: str, **_: Any) -> Iterator[str]:
    head = prefix[:prefix.rfind("/") + 1]
    place = Path(head or ".").expanduser()
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        yield f"{head}{path.name}" + "/" * path.is_dir()


def _nothing(**_: Any) -> Sequence[str]:
    return ()


COMPLETERS: dict[str, Completer] = {  # by the argument's name in the parser
    "experiment": _experiments, "experiments": _reported, "overrides": _settings, "where": _where, "trial": _trials,
    "one": _sides, "sides": _sides, "other": _sides, "name": _recorded, "names": _recorded, "kind": _kinds,
    "data": _datasets, "results": _files, "output": _files, "root": _files, "diff": _files, "picture": _files,
}

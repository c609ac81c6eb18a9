"""The command `doctor`: checks this machine, the model folders that an experiment names, or a dataset's folder."""

import argparse
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import registry
from harness.cli._run_options import examples
from harness.config.load import load
from harness.config.located_yaml import parse
from harness.config.spec import Choice
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.models.base import Model

PACKAGES = ("torch", "diffusers", "transformers", "optuna", "mlflow", "ray", "h5py", "trimesh")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("experiment", nargs="?", help="a YAML file, or the name of a shipped experiment: its models")
    parser.add_argument("--data", metavar="NAME", help=f"a dataset: {', '.join(registry.names('data'))}")
    parser.add_argument("--root", metavar="PATH", help="its folder (NAME in the folder HARNESS_DATA)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="another knob of the dataset, such as layout=raw, or a setting of the experiment, such as "
                             "trial.model=sd15; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    """Print what was found and what is missing; return 1 if anything is missing."""
    if args.experiment is not None and (args.data is not None or args.root):
        raise UsageError("--data and --root belong to a dataset; check it and the experiment in two calls")
    if args.experiment is None and args.data is None and (args.root or args.set):
        raise UsageError("--root and --set belong to a dataset: name it with --data")
    report = _models(args) if args.experiment is not None else _machine() if args.data is None else _data(args)
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        for line in report["found"]:
            print(line)
        for line in report["missing"]:
            print(f"problem: {line}")
        if args.data is not None and not report["missing"]:
            print("nothing is missing")
        if args.experiment is not None and not report["missing"]:
            print("no problem found")
    return 1 if report["missing"] else 0


def _data(args: argparse.Namespace) -> dict[str, list[str]]:
    knobs: dict[str, Any] = {} if args.root is None else {"root": args.root}
    for item in args.set:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"--set {item}: expected KNOB=VALUE")
        knobs[name] = parse(value, f"--set {item}", lines=False).plain
    survey = registry.build("data", args.data, knobs).survey()
    return {"found": list(survey.found), "missing": list(survey.missing)}


def _models(args: argparse.Namespace) -> dict[str, list[str]]:
    """Check every model of an experiment's trials; a search's, at the corners of its space."""
    specs = examples(load(args.experiment, args.set))
    models = {json.dumps(spec.model.to_dict(), sort_keys=True): spec.model for spec in specs}
    report: dict[str, list[str]] = {"found": [], "missing": []}
    for model in models.values():
        _check_model(model, report)
    return report


def _check_model(model: Choice, report: dict[str, list[str]]) -> None:
    label = " ".join(filter(None, (model.name, str(model.knobs.get("path", "")))))
    try:
        report["found"].append(f"model {label}: {_model(model.name, model.knobs)}")
    except UsageError as error:
        report["missing"].append(str(error))


def _machine() -> dict[str, list[str]]:
    import torch

    found = [f"Python {platform.python_version()} on {platform.platform()}", f"{os.cpu_count()} CPU cores"]
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        found.append(f"GPU {index}: {card.name}, {card.total_memory / 2**30:.0f} GB")
    if not torch.cuda.is_available():
        found.append("no GPU: the tiny models run in minutes on the CPU, real ones need a GPU")
    found += [f"{name} {_version(name)}" for name in PACKAGES]
    report: dict[str, list[str]] = {"found": found, "missing": []}
    for name in registry.names("models"):
        _check_model(Choice(name), report)
    found += [f"data {name}: {_place(name)}" for name in registry.names("data")]
    return report


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is not installed (an extra)"


def _model(name: str, knobs: Mapping[str, Any]) -> str:
    """Return whether a model's files are here; raise UsageError if they cannot be used."""
    model: "Model" = registry.build("models", name, knobs)
    model.check_files()
    if model.up_layers() is not None:
        return "its files are here"
    model.fingerprint()  # a path that is neither a folder nor a repository is named here
    return "to be downloaded, or named in model.path"


def _place(name: str) -> str:
    """Return the folder where a dataset is expected, without reading it."""
    knobs = {knob.name for knob in registry.variant("data", name).knobs}
    if "root" not in knobs:
        return "needs no files"
    root = os.environ.get("HARNESS_DATA", "")
    if not root:
        return "set data.root, or HARNESS_DATA"
    folder = Path(root).expanduser() / name
    return str(folder) if folder.is_dir() else f"no folder {folder}"

"""The command `doctor`: checks this machine and its models, or the folder of a dataset."""

import argparse
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness import registry
from harness.config.located_yaml import parse
from harness.errors import UsageError

PACKAGES = ("torch", "diffusers", "transformers", "optuna", "mlflow", "ray", "h5py", "trimesh")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--data", metavar="NAME", help=f"a dataset: {', '.join(registry.names('data'))}")
    parser.add_argument("--root", metavar="PATH", help="its folder (NAME in the folder HARNESS_DATA)")
    parser.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE",
                        help="another knob of the dataset, such as layout=raw; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    """Print what was found and what is missing; return 1 if anything is missing."""
    if args.data is None and (args.root or args.set):
        raise UsageError("--root and --set belong to a dataset: name it with --data")
    report = _machine() if args.data is None else _data(args)
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        for line in report["found"]:
            print(line)
        for line in report["missing"]:
            print(f"problem: {line}")
        if args.data is not None and not report["missing"]:
            print("nothing is missing")
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


def _machine() -> dict[str, list[str]]:
    import torch

    found = [f"Python {platform.python_version()} on {platform.platform()}", f"{os.cpu_count()} CPU cores"]
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        found.append(f"GPU {index}: {card.name}, {card.total_memory / 2**30:.0f} GB")
    if not torch.cuda.is_available():
        found.append("no GPU: the tiny models run in minutes on the CPU, real ones need a GPU")
    found += [f"{name} {_version(name)}" for name in PACKAGES]
    found += [f"model {name}: {_model(name)}" for name in registry.names("models")]
    found += [f"data {name}: {_place(name)}" for name in registry.names("data")]
    return {"found": found, "missing": []}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is not installed (an extra)"


def _model(name: str) -> str:
    model = registry.build("models", name)
    return "its files are here" if model.up_layers() is not None else "to be downloaded, or named in model.path"


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

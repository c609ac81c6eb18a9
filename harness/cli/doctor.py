"""Say what is there: this machine, the models at hand, and what a dataset's folder holds and lacks."""

import argparse
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness import registry
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
    """Print what was found; 1 where something is missing."""
    if args.data is None and (args.root or args.set):
        raise UsageError("--root and --set belong to a dataset: name it with --data")
    found = _machine() if args.data is None else _data(args)
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        for line in found["found"]:
            print(line)
        for line in found["missing"]:
            print(f"problem: {line}")
        if args.data is not None and not found["missing"]:
            print("nothing is missing")
    return 1 if found["missing"] else 0


def _data(args: argparse.Namespace) -> dict[str, list[str]]:
    from harness.config.located_yaml import parse

    given: dict[str, Any] = {} if args.root is None else {"root": args.root}
    for item in args.set:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"--set {item}: expected KNOB=VALUE")
        given[name] = parse(value, f"--set {item}", lines=False).plain
    survey = registry.build("data", args.data, given).survey()
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
    """Return where a dataset is looked for, without reading it."""
    knobs = {knob.name for knob in registry.variant("data", name).knobs}
    if "root" not in knobs:
        return "needs no files"
    shelf = os.environ.get("HARNESS_DATA", "")
    if not shelf:
        return "set data.root, or HARNESS_DATA"
    folder = Path(shelf).expanduser() / name
    return str(folder) if folder.is_dir() else f"no folder {folder}"

"""The environment of a trial: source code, versions, machine. Its record holds them, so that scores can be traced."""

import os
import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

DISTRIBUTION = "keypoint-harness"  # this package's name for pip
PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "numpy", "mlflow")


@cache
def source() -> dict[str, Any]:
    """Return the command line, and the commit and dirty flag of this package, None if it is not in a repository."""
    program = Path(sys.argv[0]).name if sys.argv else ""
    command = ["python", "-m", "harness"] if program == "__main__.py" else [program]
    folder = Path(__file__).parents[1]
    # A package that is installed inside another repository does not belong to it.
    tracked = _git(folder, "ls-files", "--error-unmatch", "__init__.py") is not None
    changes = _git(folder, "status", "--porcelain", "--", ".") if tracked else None
    return {
        "command": shlex.join([*command, *sys.argv[1:]]) if program else "",
        "git_commit": _git(folder, "rev-parse", "HEAD") if tracked else None,
        "git_dirty": bool(changes) if changes is not None else None,
    }


@cache
def software() -> dict[str, Any]:
    """Return versions and platform, without importing the packages."""
    return {
        "python": platform.python_version(),
        "harness": _version(DISTRIBUTION),
        **{name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
    }


def machine() -> dict[str, Any]:
    """Return versions, platform, and the device and thread count of this process; imports torch."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu: {_cpu()}"
    return {**software(), "device": device, "threads": torch.get_num_threads()}


@cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        run = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() if run.returncode == 0 else None

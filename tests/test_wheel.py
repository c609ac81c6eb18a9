"""The package as pip installs it, outside a checkout: shipped experiments and weights come along."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from harness.runner import environment

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNNING = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "HARNESS_DATA": ""}


def harness(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the package in a folder of its own, from an empty one."""
    empty = site / "empty"
    empty.mkdir(exist_ok=True)
    return subprocess.run([sys.executable, "-m", "harness", *arguments], cwd=empty, capture_output=True, text=True,
                          env={**os.environ, **RUNNING, "PYTHONPATH": str(site)}, check=False)


def assert_whole(site: Path) -> None:
    for name in ("quick", "experiments/quick.yaml"):
        planned = harness(site, "plan", name, "--json")
        assert planned.returncode == 0, planned.stderr
        labels = [trial["label"] for trial in json.loads(planned.stdout)]
        assert labels == ["fusion=none seed=0", "fusion=concat seed=0"]
    assert "no folder named; set data.root" in harness(site, "plan", "experiments/gpu/keypointnet.yaml").stderr
    missing = harness(site, "plan", "experiments/quik.yaml")
    assert (missing.returncode, "did you mean 'quick'?" in missing.stderr) == (2, True)


def test_shipped_experiments_are_found_inside_the_package(tmp_path: Path) -> None:
    """As in a wheel: the package with its data, and no checkout around it."""
    shutil.copytree(ROOT / "harness", tmp_path / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "experiments", tmp_path / "harness/experiments")
    assert_whole(tmp_path)


def test_an_experiment_of_ones_own_comes_first(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "harness", tmp_path / "harness", ignore=shutil.ignore_patterns("__pycache__", "weights"))
    shutil.copytree(ROOT / "experiments", tmp_path / "harness/experiments")
    own = tmp_path / "empty/experiments"
    own.mkdir(parents=True)
    (own / "quick.yaml").write_text("name: quick\nsearch: {}\n")
    assert "experiments/quick.yaml:2: search: the key 'space' is missing" in harness(tmp_path, "plan", "quick").stderr


def test_a_wheel_holds_all_that_the_package_reads(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="the build backend, of the dev extra")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
                    "--wheel-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("keypoint_harness-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    tracked = subprocess.run(["git", "-C", ROOT, "ls-files", "harness", "experiments"], capture_output=True, text=True,
                             check=True).stdout.splitlines()
    inside = {f"harness/{path}" if path.startswith("experiments/")
              else path for path in tracked}
    assert [path for path in inside if not (tmp_path / "site" / path).is_file()] == []
    assert_whole(tmp_path / "site")


def test_the_distribution_is_not_someone_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyPI's `harness` is a foreign package: no message and no document may tell anyone to install it."""
    assert environment.DISTRIBUTION == PROJECT["name"] == "keypoint-harness"
    monkeypatch.setattr(environment, "version", lambda name: f"of {name}")
    assert environment.software.__wrapped__()["harness"] == "of keypoint-harness"
    assert PROJECT["scripts"] == {"harness": "harness.__main__:main"}
    files = [path for folder in ("harness", "docs", "scripts") for path in (ROOT / folder).rglob("*")
             if path.suffix in (".py", ".md", "") and path.is_file()]
    asked = [command for path in [*files, ROOT / "README.md"]
             for command in re.findall(r"pip install[^\n`\"]*", path.read_text()) if "[" in command]
    extras = [re.match(r"pip install -e '\.\[(\w+)\]'", command) for command in asked]
    assert len(asked) > 8
    assert all(extras), asked
    assert {match[1] for match in extras if match} <= {*PROJECT["optional-dependencies"]}

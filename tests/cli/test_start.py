"""What a command imports: those that show, plan or report import no library of tensors, searches or figures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import descriptions, registry, user_cache
from harness.config.load import load
from harness.search.grid import Grid
from harness.store.store import Store
from tests.report.recorded import keep_spec

HEAVY = {"torch", "diffusers", "transformers", "pandas", "mlflow", "optuna", "matplotlib"}
YAML = """\
name: probe
trial: {model: tiny_sd, data: {name: figures, family: biped, views: 1}}
grid: {fusion: [none, concat]}
seeds: 2
report: {baseline: {fusion: none}}
"""
CODE = f"""
import sys
from harness import user_cache
user_cache.CLOCK_NS = -10**18  # files made a moment ago are old enough
from harness.__main__ import main
code = main(sys.argv[1:])
print(*sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished experiment, and descriptions of all variants in the cache folder."""
    place = tmp_path_factory.mktemp("start")
    (place / "probe.yaml").write_text(YAML)
    experiment = load(str(place / "probe.yaml"))
    for trial in Grid(experiment, Store(place / "results", "probe")):
        keep_spec(place / "results", "probe", trial.spec, marks=dict(trial.fingerprints))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_cache, "changed_since_start", lambda: False)
        for kind in registry.KINDS:
            for variant in registry.variants(kind):
                descriptions.write(kind, variant.name, variant.summary, variant.knobs)
    return place


def imported(folder: Path, *command: str) -> set[str]:
    """Run a command in a process of its own; return the heavy libraries that it imported."""
    free = {key: value for key, value in os.environ.items() if not key.startswith(("HARNESS_RES", "MLFLOW"))}
    done = subprocess.run([sys.executable, "-c", CODE, *command], cwd=folder, capture_output=True, text=True,
                          check=False, env={**free, "PYTHONPATH": str(Path(registry.__file__).parents[1])})
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("command", [
    "list", "list --json", "list fusion", "schema --output schema.json", "new mine",
    "plan probe.yaml", "plan probe.yaml --json", "run probe.yaml --dry-run", "status", "status probe",
    "report probe --format markdown", "report probe --format json", "report probe --verify",
    "prune --status failed",
])
def test_what_shows_or_plans_imports_no_heavy_library(folder, command):
    assert imported(folder, *command.split()) == set()


def test_a_trial_is_shown_without_a_heavy_library(folder):
    (first, *_) = Store(folder / "results", "probe").started_ids()
    assert imported(folder, "show", first) == set()


def test_a_run_with_nothing_to_do_draws_figures_once(folder):
    assert imported(folder, "run", "probe.yaml") == {"matplotlib"}
    for command in ("run probe.yaml", "report probe", "archive probe --output probe.tar.gz"):
        assert imported(folder, *command.split()) == set()


@pytest.mark.parametrize("command", ["compare probe --where fusion=none --where fusion=concat", "gallery probe"])
def test_pictures_of_scenes_take_tensors_alone(folder, command):
    assert imported(folder, *command.split()) <= {"torch"}


def test_datasets_and_models_are_described_and_fingerprinted_without_tensors():
    names = [f"{registry.PACKAGES[kind]}.{name}" for kind in ("data", "models") for name in registry.names(kind)]
    code = f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""The documents agree with the code: variants, settings, scores, commands, paths."""

import importlib
import pkgutil
import re
from itertools import pairwise
from pathlib import Path

import pytest

import harness
from harness import __main__, errors, registry
from harness.config import spec
from harness.config.load import load, shipped
from harness.config.scores import check_reported
from harness.config.settings import fill_defaults, resolve
from harness.method import trial
from harness.store import record, store
from tests.conftest import small_spec

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "harness"
METHOD, OPERATIONS, EXTENDING, CHANGES = (
    (ROOT / path).read_text() for path in ("docs/method.md", "docs/operations.md", "docs/extending.md", "CHANGELOG.md")
)
SUBJECTS = ("data", "models", "fusion", "losses", "selection")


def quoted(text):
    """Return every word in backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in SUBJECTS for name in registry.names(kind)])
def test_the_method_names_every_variant(kind, name):
    assert name in quoted(METHOD)


@pytest.mark.parametrize("knob", [knob.name for knob in registry.knobs_of(spec.TrialSpec)])
def test_the_method_names_every_setting(knob):
    assert re.search(rf"`{knob}\b", METHOD)


@pytest.mark.parametrize("kind", ["fusion", "losses", "selection"])
def test_the_method_names_every_knob(kind):
    shared = {"window", "temperature"}  # of the soft-argmax, whose formula uses them
    for variant in registry.variants(kind):
        for knob in variant.knobs:
            named = re.search(rf"`{knob.name}\b|\b{knob.name}\^", METHOD)
            assert named or knob.name in shared, f"{variant.name}.{knob.name}"


def test_the_method_explains_every_score(random_models):
    result = trial.run(small_spec(steps=1, generated_scenes=1, sampling_steps=1, losses=registry.names("losses")))
    patterns = [re.sub(r"<[^>]+>", "[^@]+", re.escape(word).replace(r"\<", "<").replace(r"\>", ">"))
                for word in quoted(METHOD) if re.fullmatch(r"[\w@<>.]+", word)]
    unexplained = [name for name in result.scores | result.cost if not any(re.fullmatch(p, name) for p in patterns)]
    assert unexplained == []
    for name in result.scores | result.cost:
        check_reported(name, "report")  # an experiment's report may name it


def test_the_method_gives_every_precision_its_tolerance():
    rows = re.findall(r"^\| `(\w+)` \| .* \| ([\de.-]+) \|$", METHOD, re.MULTILINE)
    assert {name: float(value) for name, value in rows} == trial.TOLERANCE


def test_the_methods_experiment_is_one(tmp_path):
    text = re.search(r"^```yaml\n(.*?)^```", METHOD, re.MULTILINE | re.DOTALL)[1]
    (tmp_path / "stablekeypoints.yaml").write_text(text)
    planned = load(tmp_path / "stablekeypoints.yaml").trials
    assert (planned[0].tokens, planned[0].map_side, len(planned)) == (500, 128, 3)


def test_the_operations_example_of_real_models_is_an_experiment(tmp_path):
    text = OPERATIONS.split("## Real models")[1]
    (tmp_path / "finetuned.yaml").write_text(re.search(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1])
    planned = load(tmp_path / "finetuned.yaml").trials
    assert [trial.model.name for trial in planned] == ["sd15"] * 3
    assert [trial.model.knobs["path"] for trial in planned] == ["", "/models/my-sd15", "someone/finetuned"]


def test_the_methods_sections_are_in_order():
    numbers = [int(number) for number in re.findall(r"^## (\d+)\.", METHOD, re.MULTILINE)]
    assert all(after == before + 1 for before, after in pairwise(numbers))


def test_the_methods_sources_are_listed():
    text, sources = METHOD.split("## 14. Sources")
    listed = set(re.findall(r"^- \[(\w+)\]", sources, re.MULTILINE))
    cited = {key for key in re.findall(r"\[([A-Z]+)\b[^\]\n]*\]", text) if key not in ("T", "X")}
    assert cited == listed


def test_the_defaults_that_the_method_compares_are_the_defaults():
    table = METHOD.split("## 13.")[1]
    plain = resolve(fill_defaults(None))
    for name in ("tokens", "keypoints", "learning_rate", "timestep", "map_side"):
        row = re.search(rf"^\| `{name}` \| \S+ \| (\S+) \|", table, re.MULTILINE)
        assert float(row[1]) == getattr(plain, name)


def test_operations_names_every_environment_variable():
    code = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    read = set(re.findall(r"environ(?:\.get\(|\[)\"(\w+)\"", code))
    assert {"HARNESS_RESULTS", "HARNESS_CACHE", "HARNESS_DEBUG", "MLFLOW_TRACKING_URI"} <= read
    assert [name for name in read - {"TERM"} if name not in OPERATIONS] == []


def test_operations_explains_commands_exit_codes_statuses_and_the_record():
    words = quoted(OPERATIONS)
    assert [name for name in __main__.COMMANDS if not any(word.split()[0] == name for word in words)] == []
    codes = {errors.OK, errors.SOME_FAILED, errors.USAGE, errors.BROKEN, errors.INTERRUPTED, errors.KILLED,
             errors.TERMINATED}
    table = OPERATIONS.split("| exit code |")[1].split("\n\n")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == codes
    assert [status for status in store.STATUSES if f"| {status} |" not in OPERATIONS] == []
    assert [key for key in record.KEY_TYPES if key not in words] == []


def test_the_changelog_names_the_experiments_the_fusions_and_the_version():
    assert {*shipped(), *registry.names("fusion")} <= quoted(CHANGES)
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert f"## {version}" in CHANGES


def test_the_package_map_names_every_file_and_folder():
    names = {path.stem if path.is_file() else f"{path.name}/" for path in PACKAGE.iterdir()
             if path.suffix == ".py" or (path / "__init__.py").is_file()}
    mapped = set(re.findall(r"``([\w/]+)``", harness.__doc__))
    assert names - {"__init__"} <= mapped


@pytest.mark.parametrize("kind", registry.KINDS)
def test_extending_names_every_kind_and_its_base_class(kind):
    row = re.search(rf"^\| `{re.escape(kind)}` \| `([\w.]+)\.(\w+)` \|", EXTENDING, re.MULTILINE)
    assert row[1] == f"{registry.PACKAGES[kind]}.base"
    module = importlib.import_module(row[1])
    assert getattr(module, row[2]) is module.BASE


@pytest.mark.parametrize("text", [METHOD, OPERATIONS, EXTENDING], ids=["method", "operations", "extending"])
def test_modules_and_files_that_a_document_names_exist(text):
    own = set(re.findall(r"^`([\w/.]+)`:$", text, re.MULTILINE))  # files that the document itself writes
    for path in set(re.findall(r"`((?:harness|tests|scripts|experiments)/[\w./]+)`", text)) - own:
        assert (ROOT / path).exists(), path
    for name in re.findall(r"`(harness(?:\.\w+)+)", text):
        pkgutil.resolve_name(name)  # raises if there is no such module, class or function

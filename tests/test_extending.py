"""docs/extending.md, run as it stands: its files are put where it says, and nothing else is touched."""

import importlib
import inspect
import re
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from harness import registry
from harness.config.load import load
from harness.config.spec import Choice
from harness.method.trial import run
from harness.store.store import Store
from tests.conftest import small_spec

TEXT = (Path(__file__).parent.parent / "docs" / "extending.md").read_text()
BLOCKS = dict(re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))


@pytest.fixture
def extended(tmp_path, monkeypatch):
    """Let the kinds' folders hold the document's files too; they lie in a folder of their own."""
    kinds = {package: kind for kind, package in registry.PACKAGES.items()}
    added = [(kinds[package], name) for package, _, name in (
        path.removesuffix(".py").replace("/", ".").rpartition(".") for path in BLOCKS if path.startswith("harness/"))]
    for path, text in BLOCKS.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    for kind, _ in added:
        package = importlib.import_module(registry.PACKAGES[kind])
        folder = tmp_path / registry.PACKAGES[kind].replace(".", "/")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    registry.forget()
    yield tmp_path
    for kind, name in added:
        module = sys.modules.pop(f"{registry.PACKAGES[kind]}.{name}", None)
        if module is not None:
            delattr(importlib.import_module(registry.PACKAGES[kind]), name)
    registry.forget()


def hold(contract, name):
    """Run every test of a contract that takes a variant's name on this one; return how many there were."""
    count = 0
    for test_name, test in inspect.getmembers(importlib.import_module(contract), inspect.isfunction):
        marks = {mark.args[0]: mark.args[1] for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"}
        key = next((key for key in ("name", "fusion") if key in marks), None)
        if not test_name.startswith("test_") or key is None:
            continue
        fixtures = {name: None for name in inspect.signature(test).parameters if name == "random_models"}
        others = [[(names, value) for value in values] for names, values in marks.items() if names != key]
        for chosen in product(*others):
            given = {key: name, **fixtures}
            for names, value in chosen:
                given |= {names: value} if isinstance(names, str) else dict(zip(names, value, strict=True))
            test(**given)
            count += 1
    return count


def test_the_document_has_its_blocks():
    assert sorted(BLOCKS) == [
        "experiments/add.yaml", "harness/data/dots.py", "harness/method/fusion/add.py",
        "harness/method/losses/compact.py",
        "harness/method/selection/tallest.py", "harness/models/mine.py", "harness/search/pruners/percentile.py",
        "harness/search/samplers/sobol.py", "tests/method/fusion/test_add.py",
    ]


@pytest.mark.parametrize(("contract", "name", "least"), [
    ("tests.method.test_contract_fusion", "add", 5), ("tests.method.test_contract_losses", "compact", 8),
    ("tests.method.test_contract_selection", "tallest", 8),
])
def test_its_variants_keep_their_contract(contract, name, least, extended, random_models):
    assert hold(contract, name) >= least


def test_its_own_test_passes(extended):
    space = {}
    exec(BLOCKS["tests/method/fusion/test_add.py"], space)
    space["test_the_tokens_output_is_added"]()


def test_its_experiment_is_planned_and_its_trial_runs(extended, random_models):
    experiment = load(extended / "experiments" / "add.yaml")
    assert [spec.fusion.knobs.get("alpha") for spec in experiment.trials[::3]] == [None, 0.3, 0.1, 0.3]
    result = run(replace(small_spec(steps=1), fusion=experiment.trials[-1].fusion))
    assert result.status == "finished"
    assert result.scores["nvs_loss"] != result.scores["nvs_loss_baseline"]


def test_its_loss_selection_dataset_and_model_make_a_trial(extended, random_folders):
    dots = Choice("dots", registry.settings("data", "dots", {"side_px": 32}, "data"))
    mine = Choice("mine", {"folder": str(random_folders["tiny_sd"])})
    spec = small_spec(losses=("compact", "equivariance"), selection="tallest", keypoints=3, view_pass="batch")
    result = run(replace(spec, data=dots, model=mine))
    assert result.status == "finished"
    assert result.scores["visible_points"] > 0
    assert result.curve["compact"][0] > 0
    assert 0 <= result.scores["pck@0.2"] <= 1


def test_its_sampler_and_pruner_search(extended, tmp_path):
    from tests.search import synthetic

    store = Store(tmp_path / "results", "hunt")
    block = "  sampler: {name: sobol, seed: 1}\n  pruner: {name: percentile, keep: 20}\n"
    asked = synthetic.experiment(tmp_path, block,
                                 space="    learning_rate: {low: 0.001, high: 0.1, log: true}\n", seeds=2,
                                 budget="{trials: 16}")
    summary = synthetic.go(asked, store)
    states = [trial.state.name for trial in synthetic.trials_of(store)]
    assert summary.done <= 16
    assert states[:4] == ["COMPLETE"] * 4
    assert "PRUNED" in states


def test_dots_are_where_their_keypoints_say(extended):
    scene = registry.build("data", "dots").scene("test", 0)
    for k, (y, x) in enumerate(scene.points_yx[0]):
        pixel = scene.views[0, :, int(y * 64), int(x * 64)]
        assert (pixel.argmax() == k) == bool(scene.visible[0, k])
    assert scene.visible.any()


def test_an_entry_point_is_a_variant_too(tmp_path, monkeypatch):
    entry = re.search(r'^\[project\.entry-points\."(harness\.fusion)"\]\n(\w+) = "(\w+)\.(\w+)"$', TEXT, re.MULTILINE)
    group, name, package, module = entry.groups()
    (tmp_path / package).mkdir()
    (tmp_path / package / f"{module}.py").write_text(BLOCKS["harness/method/fusion/add.py"])
    made = tmp_path / f"{package}-1.0.dist-info"
    made.mkdir()
    (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (made / "entry_points.txt").write_text(f"[{group}]\n{name} = {package}.{module}\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.forget()
    try:
        found = registry.variant("fusion", name)
        assert found.summary == "The keypoint tokens' own attention is added to the context's output."
        assert [knob.name for knob in found.knobs] == ["strength", "alpha"]
        assert registry.build("fusion", name, {"alpha": 0.5}).alpha == 0.5
    finally:
        sys.modules.pop(f"{package}.{module}", None)
        registry.forget()

"""The `--set` flags: what they change in an experiment, and that every mistake names the flag."""

import itertools
from pathlib import Path

import pytest

from tests.config.probe import HEAD, load, refused


def test_overrides_are_yaml_and_the_last_one_counts(tmp_path: Path) -> None:
    text = HEAD + "trial: {fusion: spatial, steps: 9}\ngrid: {tokens: [16, 32]}\n"
    experiment = load(tmp_path, text, "trial.steps=50", "trial.fusion.alpha=0.2", "grid.tokens=[64]", "seeds=[4]",
                      "trial.learning_rate=1e-3", "trial.steps=60")
    (trial,) = experiment.trials
    assert (trial.steps, trial.tokens, trial.seed, trial.learning_rate) == (60, 64, 4, 0.001)
    assert trial.fusion.name == "spatial"
    assert trial.fusion.knobs["alpha"] == 0.2


def test_an_override_can_add_an_axis_and_name_the_experiment(tmp_path: Path) -> None:
    experiment = load(tmp_path, HEAD, "trial.fusion=concat", "grid.fusion.strength=[0, 1]", "name=other")
    assert experiment.name == "other"
    assert [t.fusion.knobs["strength"] for t in experiment.trials] == [0.0, 1.0]


@pytest.mark.parametrize(("override", "reason"), [
    ("trial.stepz=5", "did you mean 'steps'?"),
    ("steps=5", "did you mean 'trial.steps'"),
    ("trial.steps", "expected key=value"),
    ("=5", "expected key=value"),
    ("trial.steps=x", "'x' is not valid"),
    ("trial.steps=", "None is not valid"),
    ("trial.steps=[1", "not valid YAML"),
    ("trial.fusion.strength=9", "out of range"),
    ("sedes=3", "did you mean 'seeds'?"),
    ("seeds.more=3", "'seeds' has nothing below it"),
    ("grid.tokens=5", "expected a list of values"),
    ("name=../up", "is not valid"),
    ("trial.data=!!python/object:os.system {}", "is not allowed"),
])
def test_a_mistake_in_an_override_names_the_flag(tmp_path: Path, override: str, reason: str) -> None:
    message = refused(tmp_path, HEAD, override)
    assert message.startswith(f"--set {override}")
    assert reason in message


def test_an_override_can_vary_what_the_file_fixes(tmp_path: Path) -> None:
    text = HEAD + "trial: {steps: 9, fusion: spatial, fusion.alpha: 0.2}\n"
    trials = load(tmp_path, text, "grid.steps=[1, 2]", "grid.fusion=[none, blend]").trials
    assert [(t.steps, t.fusion.name) for t in trials] == [(1, "none"), (1, "blend"), (2, "none"), (2, "blend")]


def test_an_override_of_a_choice_goes_before_the_files_knobs_of_it(tmp_path: Path) -> None:
    text = HEAD + "trial: {fusion: blend, fusion.alpha: 0.3, losses.sharpening.weight: 7}\n"
    (trial,) = load(tmp_path, text, "trial.fusion={name: blend, alpha: 0.9}", "trial.losses=[equivariance]").trials
    assert trial.fusion.knobs["alpha"] == 0.9
    assert [loss.name for loss in trial.losses] == ["equivariance"]
    for overrides in itertools.permutations(("trial.fusion=spatial", "trial.fusion.alpha=0.2")):
        (trial,) = load(tmp_path, text, *overrides).trials
        assert (trial.fusion.name, trial.fusion.knobs["alpha"]) == ("spatial", 0.2)


@pytest.mark.parametrize("setting", ["trial.fusion.alpha=0.9", "trial={fusion.alpha: 0.9}", "trial.fusion=blend"])
def test_an_override_that_another_one_varies_is_refused_in_either_order(tmp_path: Path, setting: str) -> None:
    text = HEAD + "trial: {fusion: blend, fusion.alpha: 0.3}\n"
    for axis in ("grid.fusion=[blend, spatial]", "grid={fusion: [blend, spatial]}"):
        assert len(load(tmp_path, text, axis).trials) == 2  # of what the file fixes nothing is left
        for overrides in itertools.permutations((setting, axis)):
            message = refused(tmp_path, text, *overrides)
            assert message.startswith(f"--set {setting}: trial.fusion")
            assert "has no effect, because the grid varies it; set grid.fusion" in message


def test_an_override_of_what_the_grid_varies_says_what_to_set(tmp_path: Path) -> None:
    message = refused(tmp_path, HEAD + "grid: {fusion: [none, concat]}\n", "trial.fusion=concat")
    assert message.startswith("--set trial.fusion=concat")
    assert "set grid.fusion" in message

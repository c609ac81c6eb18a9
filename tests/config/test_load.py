"""Experiments: what a YAML file means, and that every mistake in one is named where it stands."""

from pathlib import Path

import pytest

from harness.config.load import load as load_experiment
from harness.config.load import question
from harness.config.spec import ReportSpec
from harness.errors import UsageError
from tests.config.probe import HEAD, load, refused


def test_an_experiment_of_a_name_alone_is_one_trial_of_the_defaults(tmp_path: Path) -> None:
    experiment = load(tmp_path, HEAD)
    (trial,) = experiment.trials
    assert experiment.seeds == (0,)
    assert (trial.model.name, trial.data.name, trial.fusion.name) == ("tiny_zero123plus", "figures", "none")
    assert trial.selection.name == "gaussian_fps"
    assert {loss.name: loss.knobs["weight"] for loss in trial.losses} == {"sharpening": 100.0, "equivariance": 1000.0}


def test_choices_are_a_name_or_a_name_with_knobs_and_carry_every_default(tmp_path: Path) -> None:
    trial = load(tmp_path, HEAD + "trial: {fusion: {name: spatial, alpha: 0.7}, data: figures}\n").trials[0]
    assert trial.fusion.to_dict() == {"name": "spatial", "strength": 1.0, "alpha": 0.7, "form": "gate"}
    assert trial.data.knobs["views"] == 6


def test_losses_are_names_or_names_with_knobs(tmp_path: Path) -> None:
    named = load(tmp_path, HEAD + "trial: {losses: [equivariance, sharpening]}\n").trials[0].losses
    assert [loss.name for loss in named] == ["equivariance", "sharpening"]
    given = load(tmp_path, HEAD + "trial:\n  losses:\n    sharpening:\n    nvs: {weight: 2}\n").trials[0].losses
    weights = [(loss.name, loss.knobs["weight"]) for loss in given]
    assert weights == [("sharpening", named[1].knobs["weight"]), ("nvs", 2.0)]


def test_the_grid_is_a_product_in_the_order_written_with_seeds_innermost(tmp_path: Path) -> None:
    text = HEAD + "grid: {tokens: [32, 64], fusion: [none, concat]}\nseeds: 2\n"
    experiment = load(tmp_path, text)
    assert [(t.tokens, t.fusion.name, t.seed) for t in experiment.trials] == [
        (32, "none", 0), (32, "none", 1), (32, "concat", 0), (32, "concat", 1),
        (64, "none", 0), (64, "none", 1), (64, "concat", 0), (64, "concat", 1),
    ]
    assert experiment.axes == ("tokens", "fusion")
    assert experiment.report.rows == ("tokens", "fusion")


def test_a_dotted_axis_sets_a_knob_of_the_chosen_variant_wherever_it_stands(tmp_path: Path) -> None:
    text = HEAD + "grid: {fusion.strength: [0.5, 1], fusion: [none, {name: spatial, alpha: 0.1}]}\n"
    fusions = [trial.fusion for trial in load(tmp_path, text).trials]
    seen = [(fusion.name, fusion.knobs["strength"], fusion.knobs.get("alpha")) for fusion in fusions]
    assert seen == [("none", 1.0, None), ("spatial", 0.5, 0.1), ("none", 1.0, None), ("spatial", 1.0, 0.1)]


def test_an_axis_over_fusion_replaces_the_whole_choice(tmp_path: Path) -> None:
    trials = load(tmp_path, HEAD + "grid: {fusion: [{name: spatial, strength: 0.3}, spatial]}\n").trials
    assert [t.fusion.knobs["strength"] for t in trials] == [0.3, 1.0]


def test_a_dotted_axis_reaches_a_loss_and_leaves_the_others(tmp_path: Path) -> None:
    trials = load(tmp_path, HEAD + "grid: {losses.sharpening.weight: [10, 100]}\n").trials
    weights = [{loss.name: loss.knobs["weight"] for loss in t.losses} for t in trials]
    assert weights == [{"sharpening": 10.0, "equivariance": 1000.0}, {"sharpening": 100.0, "equivariance": 1000.0}]


def test_a_whole_loss_can_be_added_by_its_dotted_name(tmp_path: Path) -> None:
    trial = load(tmp_path, HEAD, "trial.losses.nvs={weight: 0.5}").trials[0]
    assert [loss.name for loss in trial.losses] == ["sharpening", "equivariance", "nvs"]


def test_seeds_are_a_count_or_a_list(tmp_path: Path) -> None:
    assert load(tmp_path, HEAD + "seeds: 3\n").seeds == (0, 1, 2)
    assert [t.seed for t in load(tmp_path, HEAD + "seeds: [7, 3]\n").trials] == [7, 3]


def test_the_report_block_keeps_its_rows_baseline_and_columns(tmp_path: Path) -> None:
    text = HEAD + ("grid: {fusion: [none, concat]}\n"
                   "report: {rows: [fusion, data.family], baseline: {fusion: none}, columns: [entropy]}\n")
    report = load(tmp_path, text).report
    assert report == ReportSpec(("fusion", "data.family"), {"fusion": "none"}, ("entropy",))


def test_a_baseline_may_be_named_by_several_settings_and_their_knobs(tmp_path: Path) -> None:
    text = HEAD + ("grid: {fusion: [none, {name: blend, alpha: 0.1}], steps: [1, 2]}\n"
                   "report: {baseline: {fusion: blend, fusion.alpha: 0.1, steps: 2}}\n")
    assert load(tmp_path, text).report.baseline == {"fusion": "blend", "fusion.alpha": 0.1, "steps": 2}


def test_words_that_yaml_11_takes_for_other_things_stay_words(tmp_path: Path) -> None:
    assert "found 'on'" in refused(tmp_path, HEAD + "seeds: on\n")
    assert load(tmp_path, HEAD + "trial: {steps: 010}\n").trials[0].steps == 10


@pytest.mark.parametrize("name", ["quick", "fusion", "keypoints", "loss_level", "view_pass", "tokens", "precision",
                                  "base_model", "consistency", "selection"])
def test_shipped_experiments_are_valid_and_say_what_they_ask(name: str) -> None:
    experiment = load_experiment(name)
    assert experiment.name == name
    assert experiment.trials
    assert question(name).endswith((".", "?"))


def test_the_fusion_experiment_compares_six_fusions_on_at_least_three_seeds() -> None:
    experiment = load_experiment("fusion")
    fusions = {trial.fusion.name for trial in experiment.trials}
    assert fusions == {"none", "concat", "weighted", "hierarchical", "spatial", "blend"}
    assert len(experiment.seeds) >= 3
    assert min(t.test_scenes for t in experiment.trials) >= 40


MISTAKES = [
    ("nmae: probe\n", "probe.yaml:1", "unknown key 'nmae'; did you mean 'name'?"),
    (HEAD + "trial:\n  stepz: 5\n", "probe.yaml:3", "'stepz'; did you mean 'steps'?"),
    (HEAD + "trial:\n  fusion: spatail\n", "probe.yaml:3", "'spatail'; did you mean 'spatial'?"),
    (HEAD + "trial:\n  fusion:\n    name: spatial\n    strenght: 1\n", "probe.yaml:5", "did you mean 'strength'?"),
    (HEAD + "trial:\n  model: tiny_zero\n", "probe.yaml:3", "models: unknown variant 'tiny_zero'"),
    (HEAD + "trial:\n  steps: many\n", "probe.yaml:3", "steps: 'many' is not valid; expected int"),
    (HEAD + "trial:\n  steps: true\n", "probe.yaml:3", "steps: True is not valid"),
    (HEAD + "trial:\n  steps: 1.5\n", "probe.yaml:3", "steps: 1.5 is not valid"),
    (HEAD + "trial:\n  steps: -1\n", "probe.yaml:3", "steps: -1 is out of range"),
    (HEAD + "trial:\n  learning_rate: .nan\n", "probe.yaml:3", "learning_rate: '.nan' is not valid"),
    (HEAD + "trial:\n  learning_rate: 1e999\n", "probe.yaml:3", "too large"),
    (HEAD + "trial:\n  fusion: {name: spatial, strength: 3}\n", "probe.yaml:3", "strength: 3 is out of range"),
    (HEAD + "trial:\n  precision: fp8\n", "probe.yaml:3", "precision: unknown value 'fp8'"),
    (HEAD + "trial:\n  seed: 1\n", "probe.yaml:3", "top key 'seeds'"),
    (HEAD + "trial:\n  fusion: {strength: 1}\n", "probe.yaml:3", "a mapping with 'name'"),
    (HEAD + "trial:\n  fusion: 3\n", "probe.yaml:3", "found 3"),
    (HEAD + "trial:\n  losses: []\n", "probe.yaml:3", "at least one loss"),
    (HEAD + "trial:\n  losses: [sharpening, sharpening]\n", "probe.yaml:3", "'sharpening' is listed twice"),
    (HEAD + "trial:\n  losses: {sharpning: {}}\n", "probe.yaml:3", "did you mean 'sharpening'?"),
    (HEAD + "trial:\n  losses.nvs.weight: 1\n", "probe.yaml:3", "the trial has no such loss"),
    (HEAD + "trial:\n  steps.more: 1\n", "probe.yaml:3", "'steps' has nothing below it"),
    (HEAD + "trial:\n  layers: []\n", "probe.yaml:3", "at least one captured layer"),
    (HEAD + "trial:\n  tokens: 8\n  keypoints: 9\n", "probe.yaml:4", "9 of 8 tokens"),
    (HEAD + "trial: 3\n", "probe.yaml:2", "expected keys and values, found 3"),
    (HEAD + "seeds: []\n", "probe.yaml:2", "at least one"),
    (HEAD + "seeds: 0\n", "probe.yaml:2", "at least one"),
    (HEAD + "seeds: [1, 2, 1]\n", "probe.yaml:2", "1 is listed twice"),
    (HEAD + "seeds: [1, x]\n", "probe.yaml:2", "'x' is not valid"),
    (HEAD + "seeds: 20260101\n", "probe.yaml:2", "out of range"),
    (HEAD + "grid:\n  fusion: none\n", "probe.yaml:3", "expected a list of values, found 'none'"),
    (HEAD + "grid:\n  fusion: []\n", "probe.yaml:3", "an empty list"),
    (HEAD + "grid:\n  fusion:\n  - none\n  - nune\n", "probe.yaml:5", "'nune'; did you mean 'none'?"),
    (HEAD + "grid:\n  fuson: [none]\n", "probe.yaml:3", "unknown setting 'fuson'; did you mean 'fusion'?"),
    (HEAD + "grid:\n  fusion: [none, {name: none}]\n", "probe.yaml:3", "is listed twice"),
    (HEAD + "grid:\n  tokens: [64, 8]\n", "probe.yaml:3", "16 of 8 tokens"),
    (HEAD + "trial:\n  steps: 5\ngrid:\n  steps: [1, 2]\n", "probe.yaml:3", "the grid varies it"),
    (HEAD + "report:\n  rows: [fusoin.name]\n", "probe.yaml:3", "no trial has a setting 'fusoin.name'"),
    (HEAD + "report:\n  baseline: {fusion: concat}\n", "probe.yaml:3", "no trial has fusion = concat"),
    (HEAD + "report:\n  baseline: {losses: [{nvs: 1}]}\n", "probe.yaml:3", "no trial has losses"),
    (HEAD + "grid:\n  fusion: [none, {name: blend, alpha: 0.1}]\n  steps: [1, 2]\n"
     "report: {baseline: {steps: 2, fusion: none, fusion.alpha: 0.1}}\n", "probe.yaml:5",
     "no trial has fusion = none and fusion.alpha = 0.1"),
    (HEAD + "grid:\n  fusion: [none, {name: blend, alpha: 0.1}, {name: blend, alpha: 0.2, strength: 0.5}]\n"
     "report: {baseline: {fusion: blend, fusion.alpha: 0.1, fusion.strength: 0.5}}\n", "probe.yaml:4",
     "no trial has fusion = blend and fusion.alpha = 0.1 and fusion.strength = 0.5"),
    (HEAD + "report:\n  row: [fusion]\n", "probe.yaml:3", "did you mean 'rows'?"),
    ("name: ../probe\n", "probe.yaml:1", "name: '../probe' is not valid"),
    ("name: /tmp/probe\n", "probe.yaml:1", "is not valid"),
    ("name: artifacts\n", "probe.yaml:1", "taken by a folder"),
    ("name: 5\n", "probe.yaml:1", "name: 5 is not valid"),
    ("trial: {steps: 1}\n", "probe.yaml", "'name' is missing"),
    (HEAD + "trial: {steps: 1}\ntrial: {steps: 2}\n", "probe.yaml:3", "duplicate key 'trial'"),
    (HEAD + "trial: !!python/object:os.system {}\n", "probe.yaml:2", "!!python/object:os.system is not allowed"),
    (HEAD + "trial: !!python/object/apply:os.system [id]\n", "probe.yaml:2", "is not allowed"),
    (HEAD + "trial: {steps: !!python/name:os.system }\n", "probe.yaml:2", "is not allowed"),
    (HEAD + "trial: [1\n", "probe.yaml:3", "not valid YAML"),
    (HEAD + "trial: &a {steps: 1}\nreport: *a\n", "probe.yaml:3", "aliases"),
    (HEAD + "trial: " + "[" * 5000 + "]" * 5000, "probe.yaml", "nested too deeply"),
    ("- a\n- b\n", "probe.yaml:1", "found a list"),
    ("name: a\n---\nname: b\n", "probe.yaml:2", "not valid YAML"),
    ("", "probe.yaml", "empty"),
    ("# nothing\n", "probe.yaml", "empty"),
]


@pytest.mark.parametrize(("text", "place", "reason"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_named_where_it_stands(tmp_path: Path, text: str, place: str, reason: str) -> None:
    message = refused(tmp_path, text)
    assert place in message
    assert reason in message
    assert "\n" not in message


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "probe.yaml"
    for content in (bytes(range(256)), b"\x00\x01\x02"):
        file.write_bytes(content)
        with pytest.raises(UsageError, match=r"probe\.yaml: not "):
            load_experiment(file)


def test_a_missing_file_gets_the_nearest_shipped_name() -> None:
    with pytest.raises(UsageError, match="no such experiment; did you mean 'fusion'"):
        load_experiment("experiments/fussion.yaml")
    with pytest.raises(UsageError, match="did you mean 'keypoints'"):
        load_experiment("keypoint")


def test_a_folder_is_no_experiment(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        load_experiment(tmp_path)

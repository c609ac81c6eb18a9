"""The `search:` block: what it means, and that every mistake in it is named where it stands."""

from pathlib import Path

import pytest

from harness.config.load import load as load_experiment
from harness.config.search_block import resolve_params
from harness.config.space import Options, Range
from harness.config.spec import Budget, Choice, Experiment, Objective
from harness.errors import UsageError

HEAD = "name: probe\ntrial: {model: tiny_sd, data: {name: figures, views: 1}}\n"
SPACE = "  space: {learning_rate: {low: 0.001, high: 0.1, log: true}}\n"
BUDGET = "  budget: {trials: 10}\n"


def load(tmp_path: Path, search: str, *overrides: str, head: str = HEAD) -> Experiment:
    file = tmp_path / "probe.yaml"
    file.write_text(f"{head}search:\n{search}")
    return load_experiment(file, overrides)


def space_of(tmp_path: Path, dimensions: str) -> dict[str, Range | Options]:
    search = load(tmp_path, BUDGET + "  space:\n" + dimensions).search
    assert search is not None
    return {dimension.name: dimension for dimension, _ in search.space.walk()}


def test_a_space_and_a_budget_are_all_that_must_be_said(tmp_path: Path) -> None:
    experiment = load(tmp_path, SPACE + BUDGET)
    search = experiment.search
    assert search is not None
    assert (experiment.trials, experiment.axes, experiment.seeds) == ((), ("learning_rate",), (0,))
    assert search.objectives == (Objective("pck_fit@0.1", "maximize"),)
    assert (search.sampler.name, search.pruner, search.enqueue, search.storage) == ("tpe", Choice("none", {}), (), "")
    assert search.budget == Budget(trials=10)


def test_auto_takes_the_range_or_the_choices_that_the_knob_declares(tmp_path: Path) -> None:
    found = space_of(tmp_path, "    timestep: auto\n    view_pass: auto\n    warp_translate: {step: 0.25}\n"
                               "    sigma_px: {high: 2.0}\n    fusion.strength: auto\n")
    assert found["timestep"] == Range("timestep", "timestep", 0, 999)
    assert found["timestep"].whole
    assert found["view_pass"].labels == ("batch", "canvas")
    assert found["warp_translate"].values() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert (found["sigma_px"].low, found["sigma_px"].high) == (0.1, 2.0)
    assert (found["fusion.strength"].low, found["fusion.strength"].high) == (0.0, 1.0)


def test_auto_of_a_choice_is_every_variant(tmp_path: Path) -> None:
    assert space_of(tmp_path, "    selection: auto\n")["selection"].labels == ("all", "gaussian_fps", "multiview")


def test_a_choices_own_knobs_hang_on_it(tmp_path: Path) -> None:
    experiment = load(tmp_path, BUDGET + """\
  space:
    fusion:
      - none
      - {name: blend, alpha: auto}
      - {name: spatial, alpha: {low: 0.1, high: 0.5}, form: auto, strength: 0.7}
""")
    search = experiment.search
    needs = {dimension.name: needs for dimension, needs in search.space.walk()}
    assert needs == {"fusion": {}, "fusion.blend.alpha": {"fusion": "blend"},
                     "fusion.spatial.alpha": {"fusion": "spatial"}, "fusion.spatial.form": {"fusion": "spatial"}}
    drawn = resolve_params(search, {
        "fusion": "spatial", "fusion.spatial.alpha": 0.25, "fusion.spatial.form": "literal"})
    assert drawn.fusion == Choice("spatial", {"strength": 0.7, "alpha": 0.25, "form": "literal"})
    assert resolve_params(search, {"fusion": "none"}).fusion == Choice("none", {"strength": 1.0})


def test_a_loss_may_be_off_and_its_weight_is_there_only_when_it_is_on(tmp_path: Path) -> None:
    search = load(tmp_path, BUDGET + """\
  space:
    losses.separation: [off, {weight: {low: 0.1, high: 10}, distance: 0.2}]
    losses.equivariance: [off, on]
""").search
    on = resolve_params(search, {
        "losses.separation": "on", "losses.separation.weight": 2.0, "losses.equivariance": "off"})
    assert [loss.name for loss in on.losses] == ["sharpening", "separation"]
    assert (on.losses[1].knobs["weight"], on.losses[1].knobs["distance"]) == (2.0, 0.2)
    off = resolve_params(search, {"losses.separation": "off", "losses.equivariance": "on"})
    assert [(loss.name, loss.knobs["weight"]) for loss in off.losses] == [("sharpening", 100.0),
                                                                     ("equivariance", 1000.0)]  # the trial's own


def test_a_loss_that_is_on_starts_from_the_trials_own_knobs(tmp_path: Path) -> None:
    head = HEAD.replace("}}\n", "}, losses: {sharpening: {weight: 7}, separation: {weight: 30, distance: 0.2}}}\n")
    search = load(tmp_path, BUDGET + """\
  space:
    losses.separation: [off, on, {weight: 5}, {distance: [0.1, 0.3]}]
    losses.sharpening: [on, off]
    losses.equivariance: [on, {weight: 5}]
""", head=head).search
    found = {}
    for label in search.space.dimensions[0].labels:
        spec = resolve_params(search, search.space.filled({"losses.separation": label}))
        knobs = {loss.name: loss.knobs for loss in spec.losses}
        found[label] = [knobs["sharpening"]["weight"], knobs["equivariance"]["weight"],
                        *(knobs.get("separation", {}).get(name) for name in ("weight", "distance"))]
    assert found == {"off": [7, 1, None, None], "on": [7, 1, 30, 0.2], "on#2": [7, 1, 5, 0.2], "on#3": [7, 1, 30, 0.1]}


def test_what_the_trial_says_of_a_loss_that_may_be_off_has_an_effect(tmp_path: Path) -> None:
    head = HEAD.replace("}}\n", "}, losses.separation: {weight: 30}}\n")
    space = BUDGET + "  space: {learning_rate: auto}\n"
    for overrides in ((), ("trial.losses.separation.weight=20",)):
        search = load(tmp_path, space, "search.space.losses.separation=[off, on]", *overrides, head=head).search
        losses = resolve_params(search, search.space.filled({"losses.separation": "on"})).losses
        assert losses[-1].knobs["weight"] == (20 if overrides else 30)


def test_whole_sets_of_losses_are_choices(tmp_path: Path) -> None:
    search = load(tmp_path, BUDGET + """\
  space:
    losses: [[sharpening, separation], {sharpening: {weight: {low: 1, high: 10}}, equivariance: {weight: 1000}}]
""").search
    both = "sharpening+equivariance"
    assert search.space.dimensions[0].labels == ("sharpening+separation", both)
    drawn = resolve_params(search, {"losses": both, f"losses.{both}.sharpening.weight": 3.0}).losses
    assert [(loss.name, loss.knobs["weight"]) for loss in drawn] == [("sharpening", 3.0), ("equivariance", 1000.0)]


def test_choices_of_one_name_are_numbered(tmp_path: Path) -> None:
    found = space_of(tmp_path, "    fusion: [{name: blend, alpha: 0.1}, {name: blend, alpha: [0.2, 0.3]}]\n")
    assert found["fusion"].labels == ("blend", "blend#2")
    assert found["fusion.blend#2.alpha"].labels == (0.2, 0.3)


def test_a_list_of_lists_is_choices_of_a_list(tmp_path: Path) -> None:
    search = load(tmp_path, BUDGET + "  space: {layers: [[0], [0, 1]]}\n").search
    assert resolve_params(search, {"layers": "[0, 1]"}).layers == (0, 1)


def test_numbers_are_drawn_with_as_many_digits_as_one_writes(tmp_path: Path) -> None:
    search = load(tmp_path, SPACE + BUDGET).search
    params, _ = search.space.draw(lambda dimension: 0.012345678901)
    assert params == {"learning_rate": 0.0123457}
    assert search.space.draw(lambda dimension: 0.1)[0] == {"learning_rate": 0.1}


def test_settings_are_found_again_in_the_space_that_they_came_from(tmp_path: Path) -> None:
    search = load(tmp_path, BUDGET + """\
  space:
    fusion: [none, {name: blend, alpha: auto}, {name: spatial, form: [gate, literal]}]
    losses.separation: [off, {weight: {low: 0.1, high: 10, log: true}}]
    tokens: {low: 32, high: 128, step: 32}
    layers: [[0], [0, 1]]
""").search
    corners = list(search.space.corners())
    assert len(corners) == 30
    for params in corners:
        assert list(search.space.matches(resolve_params(search, params).to_dict())) == [params]
    stranger = resolve_params(search, corners[0]).to_dict() | {"tokens": 33}
    assert list(search.space.matches(stranger)) == []


def test_cells_are_counted_and_listed_with_what_hangs_on_them(tmp_path: Path) -> None:
    search = load(tmp_path, """\
  sampler: grid
  space:
    fusion: [none, {name: blend, alpha: {low: 0, high: 1, step: 0.5}}]
    tokens: {low: 16, high: 18}
""").search
    cells = list(search.space.cells())
    assert search.space.size == len(cells) == (1 + 3) * 3
    assert cells[0] == {"fusion": "none", "tokens": 16}
    assert cells[-1] == {"fusion": "blend", "fusion.blend.alpha": 1.0, "tokens": 18}


def test_enqueued_settings_are_written_as_trials_are(tmp_path: Path) -> None:
    search = load(tmp_path, BUDGET + """\
  space:
    fusion: [none, {name: blend, alpha: auto}]
    losses.separation: [off, {weight: {low: 0.1, high: 10}}]
    learning_rate: {low: 0.001, high: 1}
  enqueue:
    - {fusion: {name: blend, alpha: 0.3}, losses.separation: {weight: 2}, learning_rate: 1}
    - {fusion: none}
    - {fusion.alpha: 0.5, fusion: blend, losses.separation: off}
""").search
    assert search.enqueue == (
        {"fusion": "blend", "fusion.blend.alpha": 0.3, "losses.separation": "on", "losses.separation.weight": 2.0,
         "learning_rate": 1.0},
        {"fusion": "none"},
        {"fusion": "blend", "fusion.blend.alpha": 0.5, "losses.separation": "off"})


def test_an_enqueued_choice_is_the_option_that_has_its_knobs(tmp_path: Path) -> None:
    search = load(tmp_path, BUDGET + """\
  space:
    fusion: [none, {name: blend, alpha: 0.1}, {name: blend, alpha: {low: 0.2, high: 0.4}, strength: 0.5}]
    losses.separation: [off, {weight: 5}, {weight: 7}]
  enqueue:
    - {fusion: {name: blend, alpha: 0.1}, losses.separation: {weight: 5}}
    - {fusion: {name: blend, alpha: 0.3, strength: 0.5}, losses.separation: {weight: 7}}
    - {fusion: blend, losses.separation: on}
""").search
    assert search.enqueue == (
        {"fusion": "blend", "losses.separation": "on"},
        {"fusion": "blend#2", "fusion.blend#2.alpha": 0.3, "losses.separation": "on#2"},
        {"fusion": "blend", "losses.separation": "on"})


def test_enqueued_sets_of_losses_are_told_apart_by_their_knobs(tmp_path: Path) -> None:
    search = load(tmp_path, BUDGET + """\
  space:
    losses: [[sharpening], {sharpening: {weight: 3}}, {sharpening: {weight: [8, 9]}, equivariance: {weight: 2}}]
  enqueue:
    - {losses: [sharpening]}
    - {losses: {sharpening: {weight: 3}}}
    - {losses: {sharpening: {weight: 8}, equivariance: {weight: 2}}}
""").search
    both = "sharpening+equivariance"
    assert search.enqueue == ({"losses": "sharpening"}, {"losses": "sharpening#2"},
                              {"losses": both, f"losses.{both}.sharpening.weight": 8})


def test_objectives_have_a_known_direction_that_may_be_turned(tmp_path: Path) -> None:
    objective = "  objective: [pck_fit@0.2, nvs_loss, {score: entropy, direction: maximize}]\n"
    search = load(tmp_path, SPACE + BUDGET + objective).search
    assert search.objectives == (Objective("pck_fit@0.2", "maximize"), Objective("nvs_loss", "minimize"),
                                        Objective("entropy", "maximize"))


def test_overrides_reach_into_the_search(tmp_path: Path) -> None:
    search = load(tmp_path, SPACE + BUDGET + "  sampler: random\n", "search.budget.trials=4", "search.sampler.seed=7",
                  "search.space.fusion=[none, blend]", "search.budget.minutes=1.5", "search.objective=nvs_loss").search
    assert search.budget == Budget(4, 1.5)
    assert search.sampler == Choice("random", {"seed": 7})
    assert [dimension.name for dimension in search.space.dimensions] == ["learning_rate", "fusion"]
    assert search.objectives[0].score == "nvs_loss"


def test_an_override_can_search_what_the_file_fixes(tmp_path: Path) -> None:
    head = HEAD.replace("}}\n", "}, tokens: 64, fusion: blend, fusion.alpha: 0.3}\n")
    search = load(tmp_path, SPACE + BUDGET, "search.space.tokens=[32, 64]", "search.space.fusion=[none, blend]",
                  head=head).search
    specs = [resolve_params(search, params) for params in search.space.corners()]
    assert {(spec.tokens, spec.fusion.name) for spec in specs} == {(32, "none"), (32, "blend"), (64, "none"),
                                                                  (64, "blend")}
    with pytest.raises(UsageError, match="has no effect, because the space varies it"):
        load(tmp_path, SPACE + BUDGET, "trial.tokens=8", "search.space.tokens=[32, 64]", head=head)


@pytest.mark.parametrize(("baseline", "reason"), [
    ("{fusion: none, fusion.alpha: 0.1}", "no trial has fusion = none and fusion.alpha = 0.1"),
    ("{fusion: blend, fusion.alpha: 0.1, tokens: 32}", ""),
    ("{losses: [sharpening, separation], losses.separation.weight: 10, losses.sharpening.weight: 3}", ""),
])
def test_a_searchs_baseline_is_a_setting_that_it_may_try(tmp_path: Path, baseline: str, reason: str) -> None:
    space = BUDGET + """\
  space:
    fusion: [none, {name: blend, alpha: {low: 0.1, high: 0.4}}]
    tokens: [16, 32, 64]
    losses.sharpening.weight: {low: 1, high: 3}
    losses.equivariance: [on, off]
    losses.separation: [off, {weight: {low: 1, high: 10}}]
"""
    head = HEAD + f"report: {{baseline: {baseline}}}\n"
    if not reason:
        assert load(tmp_path, space, head=head).report.baseline
        return
    with pytest.raises(UsageError, match=reason):
        load(tmp_path, space, head=head)


def test_a_report_of_a_search_may_name_what_is_searched(tmp_path: Path) -> None:
    head = HEAD + "report: {rows: [learning_rate, fusion.strength]}\n"
    assert load(tmp_path, SPACE + BUDGET, head=head).report.rows == ("learning_rate", "fusion.strength")


@pytest.mark.parametrize(("score", "setting", "off", "on"), [
    ("entropy_untrained", "untrained", "false", "true"), ("peak_mass_untrained", "untrained", "false", "true"),
    ("nvs_loss", "view_scenes", "0", "2"), ("nvs_loss@t200", "view_scenes", "0", "2"),
    ("psnr", "generated_scenes", "0", "2")])
def test_an_objective_that_no_setting_has_is_refused(tmp_path: Path, score: str, setting: str, off: str, on: str
                                                     ) -> None:
    block = SPACE + BUDGET + f"  objective: [pck_fit@0.1, {score}]\n"
    with pytest.raises(UsageError, match=rf"probe.yaml:6: .*: no trial has {score} with {setting}: {off};"):
        load(tmp_path, block, f"trial.{setting}={off}")
    assert load(tmp_path, block, f"trial.{setting}={on}").search is not None
    space = f"  space: {{{setting}: [{off}, {on}]}}\n"
    assert load(tmp_path, space + BUDGET + f"  objective: {score}\n").search is not None


MISTAKES = [
    ("  spaces: {}\n", "probe.yaml:4", "search: unknown key 'spaces'; did you mean 'space'?"),
    ("  sampler: tpe\n", "probe.yaml:3", "the key 'space' is missing"),
    ("  space: {}\n", "probe.yaml:4", "expected at least one setting"),
    ("  space: 3\n", "probe.yaml:4", "expected keys and values, found 3"),
    (SPACE, "probe.yaml:4", "search.budget: tpe never ends by itself; give trials or minutes"),
    (SPACE + "  budget: {trails: 3}\n", "probe.yaml:5", "unknown key 'trails'; did you mean 'trials'?"),
    (SPACE + "  budget: {trials: 0}\n", "probe.yaml:5", "0 is out of range"),
    (SPACE + "  budget: {trials: 1.5}\n", "probe.yaml:5", "1.5 is not valid; expected a whole number"),
    (SPACE + "  budget: {minutes: soon}\n", "probe.yaml:5", "'soon' is not valid; expected a number"),
    (SPACE + BUDGET + "  sampler: tpee\n", "probe.yaml:6", "unknown variant 'tpee'; did you mean 'tpe'?"),
    (SPACE + BUDGET + "  sampler: {name: tpe, start: 3}\n", "probe.yaml:6",
     "'tpe' has no knob 'start'; did you mean 'startup'"),
    (SPACE + BUDGET + "  sampler: {startup: 3}\n", "probe.yaml:6", "expected a name"),
    (SPACE + BUDGET + "  sampler: [tpe]\n", "probe.yaml:6", "search.sampler: expected keys and values, found a list"),
    (SPACE + BUDGET + "  pruner: medium\n", "probe.yaml:6", "did you mean 'median'?"),
    (SPACE + BUDGET + "  pruner: median\n", "probe.yaml:6",
     "nothing can be pruned with fewer than 2 seeds; there is 1"),
    (SPACE + BUDGET + "  pruner: {name: wilcoxon, by: seed}\n", "probe.yaml:6", "fewer than 5 seeds"),
    (SPACE + BUDGET + "  pruner: {name: median, by: steps}\n", "probe.yaml:6",
     "unknown value 'steps'; did you mean 'step'"),
    (SPACE + BUDGET + "  objective: [pck_fit@0.1, nvs_loss]\n  pruner: hyperband\n", "probe.yaml:7",
     "cannot be pruned by 2 objectives"),
    (SPACE + BUDGET + "  objective: nvs_loss\n  pruner: hyperband\n", "probe.yaml:7", "is what is read, not nvs_loss"),
    (SPACE + BUDGET + "  objective: [pck_fit@0.1, nvs_loss]\n  sampler: cmaes\n", "probe.yaml:7",
     "cmaes searches for one objective, not 2"),
    (SPACE + "  sampler: grid\n", "probe.yaml:5", "a grid over learning_rate has no end; give it a list, or a 'step'"),
    (SPACE + BUDGET + "  objective: pck_fit@0.3\n", "probe.yaml:6",
     "unknown score 'pck_fit@0.3'; did you mean 'pck_fit@0."),
    (SPACE + BUDGET + "  objective: pck@0.1\n", "probe.yaml:6", "flatters what is chosen; use pck_fit@0.1"),
    (SPACE + BUDGET + "  objective: nme\n", "probe.yaml:6", "the test split's labels"),
    (SPACE + BUDGET + "  objective: []\n", "probe.yaml:6", "expected at least one score"),
    (SPACE + BUDGET + "  objective: [nvs_loss, nvs_loss]\n", "probe.yaml:6", "'nvs_loss' is listed twice"),
    (SPACE + BUDGET + "  objective: {score: nvs_loss, direction: up}\n", "probe.yaml:6", "unknown value 'up'"),
    (SPACE + BUDGET + "  objective: {direction: minimize}\n", "probe.yaml:6", "the key 'score' is missing"),
    (SPACE + BUDGET + "  objective: {score: psnr, dir: minimize}\n", "probe.yaml:6", "unknown key 'dir'"),
    (SPACE + BUDGET + "  storage: 3\n", "probe.yaml:6", "search.storage: expected a word, found 3"),
    (BUDGET + "  space: {learning_rat: auto}\n", "probe.yaml:5", "did you mean 'learning_rate'?"),
    (BUDGET + "  space: {seed: [1, 2]}\n", "probe.yaml:5", "unknown setting 'seed'"),
    (BUDGET + "  space: {steps: {low: 5, high: 1}}\n", "probe.yaml:5", "the range from 5 to 1 is empty"),
    (BUDGET + "  space: {steps: {low: -5, high: 1}}\n", "probe.yaml:5", "search.space.steps.low: -5 is out of range"),
    (BUDGET + "  space: {steps: {low: 1.5, high: 3}}\n", "probe.yaml:5", "1.5 is not valid; expected int"),
    (BUDGET + "  space: {steps: {lo: 1, high: 3}}\n", "probe.yaml:5", "unknown key 'lo'; did you mean 'low'?"),
    (BUDGET + "  space: {learning_rate: {log: true}}\n", "probe.yaml:5", "cannot begin at 0.0; give a 'low' above 0"),
    (BUDGET + "  space: {learning_rate: {low: 0.1, log: 3}}\n", "probe.yaml:5",
     "3 is not valid; expected true or false"),
    (BUDGET + "  space: {learning_rate: {low: 0.1, high: 0.2, step: 1}}\n", "probe.yaml:5", "above 0, at most 0.1"),
    (BUDGET + "  space: {learning_rate: {low: 0.1, high: 1, step: 0.1, log: true}}\n", "probe.yaml:5",
     "exclude each other"),
    (BUDGET + "  space: {optimise_scenes: auto}\n", "probe.yaml:5", "declares no high end (int >= 1); give 'high'"),
    (BUDGET + "  space: {layers: auto}\n", "probe.yaml:5", "layers has no range; expected a list of choices"),
    (BUDGET + "  space: {steps: 3}\n", "probe.yaml:5",
     "expected a list of choices, {low, high, log, step}, or auto, found 3"),
    (BUDGET + "  space: {steps: []}\n", "probe.yaml:5", "found an empty list"),
    (BUDGET + "  space: {steps: [1, x]}\n", "probe.yaml:5", "'x' is not valid"),
    (BUDGET + "  space: {steps: [1, 2, 1]}\n", "probe.yaml:5", "1 is listed twice"),
    (BUDGET + "  space: {steps.x: [1]}\n", "probe.yaml:5", "'steps' has nothing below it"),
    (BUDGET + "  space: {fusion: none}\n", "probe.yaml:5", "expected a list of choices, found 'none'"),
    (BUDGET + "  space: {fusion: [none, blnd]}\n", "probe.yaml:5", "did you mean 'blend'?"),
    (BUDGET + "  space: {fusion: [none, none]}\n", "probe.yaml:5", "'none' is listed twice"),
    (BUDGET + "  space: {fusion: [{name: blend, alfa: auto}]}\n", "probe.yaml:5", "did you mean 'alpha'?"),
    (BUDGET + "  space: {fusion: [{name: blend, alpha: 2}]}\n", "probe.yaml:5",
     "2 is out of range; expected in [0, 1]"),
    (BUDGET + "  space: {fusion: [{alpha: 2}]}\n", "probe.yaml:5", "expected a name, or a mapping with 'name'"),
    (BUDGET + "  space: {fusion: [none, blend], fusion.alpha: auto}\n", "probe.yaml:5",
     "'none' has no knob 'alpha'; write a choice's knob into it"),
    (BUDGET + "  space:\n    fusion: [{name: blend, alpha: auto}]\n    fusion.alpha: auto\n", "probe.yaml:7",
     "fusion.alpha is varied twice"),
    (BUDGET + "  space: {losses.nvs.weight: {low: 1, high: 2}}\n", "probe.yaml:5", "the trial has no such loss"),
    (BUDGET + "  space: {losses.nvz: [off, on]}\n", "probe.yaml:5", "did you mean 'nvs'?"),
    (BUDGET + "  space: {losses: [3]}\n", "probe.yaml:5", "expected losses, by name"),
    (BUDGET + "  space: {losses.sharpening: [off, on], losses.equivariance: [on, off]}\n", "probe.yaml:5",
     "with every loss off there is nothing to optimise"),
    (BUDGET + "  space:\n    tokens: [16, 64]\n    keypoints: [8, 32]\n", "probe.yaml:7",
     "keypoints: 32 of 16 tokens cannot be selected"),
    (SPACE + BUDGET + "  enqueue: 3\n", "probe.yaml:6", "expected a list of settings, found 3"),
    (SPACE + BUDGET + "  enqueue: [{learning_rate: 5}]\n", "probe.yaml:6", "5 is not in the space: [0.001, 0.1]"),
    (SPACE + BUDGET + "  enqueue: [{steps: 5}]\n", "probe.yaml:6", "does not vary 'steps'; choices: learning_rate"),
    (BUDGET + "  space: {fusion: [none, {name: blend, alpha: auto}]}\n  enqueue: [{fusion: none, fusion.alpha: 0.5}]\n",
     "probe.yaml:6", "does not vary 'fusion.alpha'; it exists only with another choice"),
    (BUDGET + "  space: {fusion: [none, blend]}\n  enqueue: [{fusion: blnd}]\n", "probe.yaml:6",
     "did you mean 'blend'?"),
    (BUDGET + "  space: {fusion: [none, {name: blend, alpha: 0.1}]}\n  enqueue: [{fusion: {name: blend, alpha: 1}}]\n",
     "probe.yaml:6", "the space does not vary 'fusion.alpha'"),
    (BUDGET + "  space: {fusion: [none, blend]}\n  enqueue: [{fusion: {alpha: 0.2}}]\n", "probe.yaml:6",
     "search.enqueue.fusion: expected a name, or a mapping with 'name', found a mapping"),
    (BUDGET + "  space: {losses: [[sharpening]]}\n  enqueue: [{losses: {sharpening: 5}}]\n", "probe.yaml:6",
     "search.enqueue.losses.sharpening: expected keys and values, found 5"),
    (BUDGET + "  space: {losses: [[sharpening]]}\n  enqueue: [{losses: [{sharpening: 5}]}]\n", "probe.yaml:6",
     "search.enqueue.losses: expected a loss's name, found a mapping"),
]


@pytest.mark.parametrize(("search", "place", "reason"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_named_where_it_stands(tmp_path: Path, search: str, place: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, search)
    message = str(caught.value)
    assert place in message
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize(("head", "reason"), [
    (HEAD + "seeds: 11\n", "10 trials do not hold one setting of 11 seeds"),
    (HEAD + "grid: {fusion: [none]}\n", "'grid' and 'search' exclude each other"),
    ("name: probe\ntrial: {learning_rate: 0.1}\n", "because the space varies it; delete this line, or, to fix the "
     "setting, search.space.learning_rate"),
])
def test_what_does_not_go_with_a_search_is_refused(tmp_path: Path, head: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, SPACE + BUDGET, head=head)
    assert reason in str(caught.value)


@pytest.mark.parametrize(("override", "reason"), [
    ("search.budgets.trials=4", "did you mean 'budget'?"),
    ("search.objective.score=nvs_loss", "'search.objective' has nothing below it"),
    ("search.budget.trials=many", "'many' is not valid"),
    ("search.space.steps=[1, 0.5]", "0.5 is not valid"),
])
def test_a_mistake_in_an_override_names_the_flag(tmp_path: Path, override: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, SPACE + BUDGET, override)
    assert str(caught.value).startswith(f"--set {override}")
    assert reason in str(caught.value)

"""Searches over synthetic trials: proposals, pruning and resuming; no trial is run twice."""

import itertools
import json

import optuna
import pytest

from harness.config.spec import TrialSpec
from harness.errors import UsageError
from harness.search.study import ENQUEUED, IDS
from harness.store.store import Store
from tests.search.synthetic import experiment, go, journal, quality, trials_of


def states(store):
    return [trial.state.name for trial in trials_of(store)]


def test_a_budget_of_trials_is_spent_and_the_study_agrees_with_the_store(tmp_path, store, ran):
    summary = go(experiment(tmp_path, seeds=2), store)
    assert (summary.planned, summary.done, summary.left) == (8, 8, 0)
    assert len(set(journal(ran))) == len(journal(ran)) == 8
    done = [trial for trial in trials_of(store) if IDS in trial.user_attrs]
    assert [len(trial.user_attrs[IDS]) for trial in done] == [2, 2, 2, 2]
    for trial in done:
        scores = [store.record(each)["scores"]["pck_fit@0.1"] for each in trial.user_attrs[IDS]]
        assert trial.value == pytest.approx(sum(scores) / 2)
    assert {record["id"] for record in store.records()} == {each for trial in done for each in trial.user_attrs[IDS]}


def test_a_knob_is_drawn_only_with_its_own_fusion(tmp_path, store):
    go(experiment(tmp_path, budget="{trials: 12}"), store)
    for trial in trials_of(store):
        assert ("fusion.blend.alpha" in trial.params) == (trial.params["fusion"] == "blend")


def test_the_same_command_does_nothing_more_and_a_larger_budget_goes_on(tmp_path, store, ran):
    go(experiment(tmp_path), store)
    before = journal(ran)
    again = go(experiment(tmp_path), store)
    assert (again.done, again.skipped, again.left) == (0, 8, 0)
    assert journal(ran) == before
    go(experiment(tmp_path, budget="{trials: 10}"), store)
    assert journal(ran)[:8] == before
    assert len(set(journal(ran))) == len(journal(ran)) == 10


def test_a_stopped_search_proposes_what_an_unstopped_one_would_have(tmp_path, store, ran):
    go(experiment(tmp_path, budget="{trials: 16}"), store)
    whole = journal(ran)
    ran.unlink()
    other = Store(tmp_path / "others", "hunt")
    for trials in (3, 9, 16):
        go(experiment(tmp_path, budget=f"{{trials: {trials}}}"), other)
    assert journal(ran) == whole


def test_enqueued_settings_come_first_and_once(tmp_path, store, ran):
    lines = "  enqueue:\n    - {fusion: none, learning_rate: 0.01}\n    - {fusion: {name: blend, alpha: 0.5}}\n"
    asked = experiment(tmp_path, lines, budget="{trials: 3}")
    go(asked, store)
    first, second, _ = trials_of(store)
    assert first.params == {"fusion": "none", "learning_rate": 0.01}
    assert (second.params["fusion"], second.params["fusion.blend.alpha"]) == ("blend", 0.5)
    assert [trial.user_attrs.get(ENQUEUED) for trial in (first, second)] == [0, 1]
    go(experiment(tmp_path, lines, budget="{trials: 5}"), store)
    assert [trial.user_attrs.get(ENQUEUED) for trial in trials_of(store)] == [0, 1, None, None, None]


def test_a_grid_runs_each_cell_once_and_needs_no_budget(tmp_path, store, ran):
    space = "    fusion: [none, {name: blend, alpha: [0, 0.5, 1]}]\n    learning_rate: [0.01, 0.1]\n"
    summary = go(experiment(tmp_path, "  sampler: grid\n", space=space, budget="", seeds=2), store)
    assert (summary.planned, summary.done) == (16, 16)
    assert len(set(journal(ran))) == 8  # alpha is not in the journal
    assert len({json.dumps(trial.params) for trial in trials_of(store)}) == len(trials_of(store)) == 8
    assert go(experiment(tmp_path, "  sampler: grid\n", space=space, budget="", seeds=2), store).skipped == 16
    assert len(journal(ran)) == 16


def test_a_proposal_that_is_known_is_answered_from_the_store(tmp_path, store, ran):
    space = "    fusion: [none, {name: blend, alpha: [0, 0.5]}]\n    learning_rate: [0.01, 0.1]\n"
    summary = go(experiment(tmp_path, "  sampler: random\n", space=space, budget="{trials: 50}"), store)
    assert (summary.done, summary.left) == (6, 0)  # every setting of the space
    assert len(journal(ran)) == 6
    repeats = [trial for trial in trials_of(store) if IDS not in trial.user_attrs]
    assert repeats
    values = {json.dumps(trial.params): trial.value for trial in trials_of(store) if IDS in trial.user_attrs}
    assert all(trial.value == values[json.dumps(trial.params)] for trial in repeats)


def test_a_setting_that_fails_or_scores_nothing_is_failed_and_tried_again_next_time(tmp_path, store, ran):
    space = "    fusion: [spatial, concat, none]\n"
    warned = []
    lines = "  sampler: grid\n"
    summary = go(experiment(tmp_path, lines, space=space, budget=""), store, warn=warned.append)
    assert (summary.done, summary.failed) == (2, 1)
    assert states(store) == ["FAIL", "FAIL", "COMPLETE"]
    assert "finished without pck_fit@0.1" in warned[0]
    assert len(journal(ran)) == 3
    again = go(experiment(tmp_path, lines, space=space, budget=""), store)
    assert again.failed == 1
    assert [fusion for _, fusion, _ in journal(ran)[3:]] == ["spatial"]  # finished trials are not run again


def test_a_setting_that_cannot_be_planned_is_failed_and_the_search_goes_on(tmp_path, store, ran, monkeypatch):
    monkeypatch.setattr("harness.search.sweep.END_AFTER", 1)
    losses = "".join(f"    losses.{name}: [on, off]\n" for name in ("sharpening", "equivariance", "separation"))
    asked = experiment(tmp_path, "  sampler: grid\n", space=f"    learning_rate: [0.01, 0.1]\n{losses}", budget="")
    warned = []
    summary = go(asked, store, warn=warned.append)
    assert (summary.planned, summary.done, summary.failed) == (14, 14, 0)  # 2 x 8 without those that have no loss
    assert states(store) == 2 * [*7 * ["COMPLETE"], "FAIL"]
    assert [text.startswith("learning_rate=0.01 losses.sharpening=off") for text in warned] == [True, False]
    assert "hunt.yaml:8: search.space: with every loss off there is nothing to optimise" in warned[0]
    assert go(asked, store).skipped == 14


def test_a_search_of_which_nothing_can_be_planned_is_refused(tmp_path, store):
    def unreadable(spec):
        raise UsageError("data 'figures': cannot be read")

    with pytest.raises(UsageError, match="cannot be read"):
        go(experiment(tmp_path), store, fingerprints=unreadable)


def test_minutes_end_a_search_and_the_next_call_has_its_own(tmp_path, store, ran):
    asked = experiment(tmp_path, budget="{minutes: 0.2}")
    counts = []
    for _ in range(2):
        ticks = itertools.count()
        summary = go(asked, store, clock=lambda ticks=ticks: float(next(ticks)))
        assert summary.left == 0
        counts.append(summary.done)
    assert 0 < counts[0] < 12
    assert counts[1] > 0
    assert len(set(journal(ran))) == len(journal(ran)) == sum(counts)


def test_a_poor_setting_does_not_get_all_its_seeds(tmp_path, store, ran):
    lines = "  sampler: grid\n  pruner: {name: median, by: seed, startup: 2}\n"
    space = "    learning_rate: [0.01, 0.02, 0.1, 0.011]\n"
    summary = go(experiment(tmp_path, lines, space=space, budget="", seeds=3), store)
    assert [seed for rate, _, seed in journal(ran) if rate == 0.1] == [0]
    assert states(store) == ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE"]
    assert (summary.planned, summary.done, summary.left) == (10, 10, 0)
    first = trials_of(store)[0]
    assert first.intermediate_values == pytest.approx({1: 0.5, 2: 0.505, 3: 0.51})  # the mean so far
    assert go(experiment(tmp_path, lines, space=space, budget="", seeds=3), store).done == 0


def test_what_a_pruned_setting_did_not_use_goes_to_another(tmp_path, store, ran):
    lines = ("  pruner: {name: median, by: seed, startup: 1}\n"
             "  enqueue: [{learning_rate: 0.01}, {learning_rate: 0.1}, {learning_rate: 0.09}]\n")
    summary = go(experiment(tmp_path, lines, space="    learning_rate: {low: 0.01, high: 0.1}\n", seeds=3,
                            budget="{trials: 8}"), store)
    assert states(store)[:3] == ["COMPLETE", "PRUNED", "PRUNED"]
    assert len(states(store)) == 4  # 3 + 1 + 1 trials leave room for another three
    assert summary.planned == summary.done == len(journal(ran)) <= 8


def test_steps_are_pruned_while_a_trial_runs(tmp_path, store, ran):
    lines = "  sampler: grid\n  pruner: {name: median, by: step, every: 1, startup: 2}\n"
    space = "    learning_rate: [0.01, 0.02, 0.1]\n"
    summary = go(experiment(tmp_path, lines, space=space, budget=""), store)
    assert (summary.done, summary.pruned) == (2, 1)
    assert states(store) == ["COMPLETE", "COMPLETE", "PRUNED"]
    assert trials_of(store)[2].intermediate_values == {1: pytest.approx(0.3 / 4)}
    assert sorted(record["status"] for record in store.records()) == ["finished", "finished", "pruned"]
    assert go(experiment(tmp_path, lines, space=space, budget=""), store).done == 0


def test_hyperband_stops_most_settings_early(tmp_path, store):
    lines = "  pruner: {name: hyperband, every: 1, fewest_steps: 1, factor: 2}\n"
    summary = go(experiment(tmp_path, lines, "trial.steps=16", budget="{trials: 30}"), store)
    assert summary.pruned > 5
    assert summary.done + summary.pruned == 30


@pytest.mark.parametrize(("by", "seeds", "given"), [("scene", 2, 1), ("seed", 6, 4)])
def test_wilcoxon_gives_up_on_what_is_worse_scene_by_scene_or_seed_by_seed(tmp_path, store, ran, by, seeds, given):
    lines = f"  sampler: grid\n  pruner: {{name: wilcoxon, by: {by}}}\n"
    space = "    learning_rate: [0.01, 0.1]\n"
    go(experiment(tmp_path, lines, space=space, budget="", seeds=seeds), store)
    assert [seed for rate, _, seed in journal(ran) if rate == 0.1] == list(range(given))
    assert states(store) == ["COMPLETE", "PRUNED"]


def test_several_objectives_are_reported_together(tmp_path, store):
    lines = "  objective: [pck_fit@0.1, {score: nvs_loss, direction: minimize}]\n"
    go(experiment(tmp_path, lines, seeds=2), store)
    study = optuna.load_study(study_name="hunt", storage=f"sqlite:///{store.folder / 'study.db'}")
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    for trial in study.trials:
        assert trial.values[1] == pytest.approx(trial.params["learning_rate"], rel=1e-5)


@pytest.mark.parametrize(("override", "part"), [
    ("search.space.learning_rate={low: 0.001, high: 0.2}", "space: learning_rate"),
    ("search.objective=nvs_loss", 'objective: [["pck_fit@0.1", "maximize"]], not [["nvs_loss", "minimize"]]'),
    ("seeds=2", "seeds: [0], not [0, 1]"),
    ("trial.steps=5", "trial: steps"),
])
def test_a_changed_search_is_refused_and_may_begin_beside_the_old_one(tmp_path, store, ran, override, part):
    go(experiment(tmp_path), store)
    changed = experiment(tmp_path, "", override)
    with pytest.raises(UsageError) as caught:
        go(changed, store)
    assert f"the study 'hunt' was begun with another {part}; --new-study begins one" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(journal(ran)) == 8
    go(changed, store, new_study=True)
    assert len(trials_of(store, "hunt-2")) >= 4
    assert len(set(journal(ran))) == len(journal(ran))
    go(changed, store)  # resumes the study that matches
    go(experiment(tmp_path), store)


def test_a_new_study_of_the_same_space_takes_over_what_is_finished(tmp_path, store, ran):
    go(experiment(tmp_path), store)
    summary = go(experiment(tmp_path), store, new_study=True)
    assert (summary.done, summary.skipped) == (0, 8)
    old, new = ({trial.user_attrs[IDS][0]: trial.value for trial in trials_of(store, name) if IDS in trial.user_attrs}
                for name in ("hunt", "hunt-2"))
    assert old == new


def test_tpe_finds_better_settings_than_it_began_with(tmp_path, store):
    go(experiment(tmp_path, budget="{trials: 40}"), store)
    values = [trial.value for trial in trials_of(store) if IDS in trial.user_attrs]
    assert sum(values[20:]) / 20 > sum(values[:10]) / 10
    best = max(store.records(), key=lambda record: record["scores"]["pck_fit@0.1"])
    assert best["scores"]["pck_fit@0.1"] > 0.6
    assert quality(TrialSpec.from_dict(best["spec"])) == best["scores"]["pck_fit@0.1"]
